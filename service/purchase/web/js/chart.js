// A small line over the last seconds, and the same in words for those who do not see it.
import { WINDOW_S } from "./history.js";
import { attr } from "./dom.js";

/** The room right of a line for its scale; the lanes below leave the same. */
export const SCALE_PX = 46;

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  /** `show` writes a value as text; `steps` draws stairs, for what changes at once. */
  constructor(host, { label, line, show, steps = false, height = 66 }) {
    Object.assign(this, { host, label, show });
    host.setAttribute("role", "img");
    const scale = { grid: { show: false }, ticks: { show: false }, stroke: () => colour("--soft") };
    const paths = steps ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear();
    this.plot = new uPlot({
      width: host.clientWidth || 300,
      height,
      padding: [11, 0, 8, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: [-WINDOW_S, 0] },
        // A scale that follows every point would make a steady rate look wild.
        y: { range: (_, __, most) => [0, this.most ?? ceiling(most)] },
      },
      axes: [
        { show: true, size: 0, ...scale, values: () => [], splits: () => [-40, -20],
          grid: { stroke: () => colour("--line"), width: 1 } },
        { ...scale, side: 1, size: SCALE_PX, gap: 6, font: "11px system-ui, sans-serif",
          splits: (_, __, least, most) => [least, most], values: (_, at) => at.map((v) => show(v)) },
      ],
      series: [{}, {
        stroke: () => colour(line), fill: () => `${colour(line)}22`, width: 1.75, paths,
        points: { show: false },
      }],
    }, [[], []], host);
    new ResizeObserver(() => {
      const width = host.clientWidth;
      if (width && width !== this.plot.width) this.plot.setSize({ width, height });
    }).observe(host);
    addEventListener("themechange", () => this.plot.redraw());
  }

  /** `most`, when set, is the top of the scale. */
  draw([xs, ys]) {
    this.plot.setData([xs, ys]);
    const seen = ys.filter((y) => y !== null);
    const words = seen.length
      ? `now ${this.show(seen.at(-1))}, highest ${this.show(Math.max(...seen))}, lowest ${this.show(Math.min(...seen))}`
      : "nothing seen yet";
    attr(this.host, "aria-label", `${this.label}, last ${WINDOW_S} seconds: ${words}`);
  }
}

/** The next of 1, 2, 5, 10, …: so the scale's words change seldom. */
function ceiling(most) {
  if (!(most > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= most);
}
