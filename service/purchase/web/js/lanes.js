// Who held the lease when: a lane for each replica, and a line that steps from lane to lane, as a baton goes.
import { SCALE_PX, colour } from "./chart.js";
import { WINDOW_S, now } from "./history.js";
import { attr, h, keyed, text } from "./dom.js";
import { plural, span } from "./format.js";

const LANE_PX = 20;

export class Lanes {
  constructor(names, host) {
    this.names = names;
    this.host = host;
    this.canvas = h("canvas");
    host.setAttribute("role", "img");
    host.append(this.canvas);
  }

  draw(history, replicas, live) {
    const turns = history?.turns ?? [];
    const holders = turns.filter((turn) => turn.holder).map((turn) => turn.holder);
    const rows = [...new Set([...replicas.map((r) => r.name), ...holders])].sort();
    const last = turns.at(-1);
    keyed(this.names, rows, (name) => name, () => h("li"), (row, name) => {
      text(row, name);
      attr(row, "title", name);
      row.classList.toggle("holds", last?.holder === name);
    });
    this.#paint(turns, rows, live);
    const changes = history?.changes.filter((c) => c.t > now() - WINDOW_S) ?? [];
    const moved = changes.length
      ? `changed hands ${plural(changes.length, "time")}, last ${span(now() - changes.at(-1).t)} ago`
      : "did not change hands";
    attr(this.host, "aria-label", `Lease, last ${WINDOW_S} seconds: held by ${last?.holder ?? "nobody"} now, ${moved}`);
  }

  #paint(turns, rows, live) {
    const ratio = devicePixelRatio || 1;
    const width = this.host.clientWidth;
    const height = Math.max(1, rows.length) * LANE_PX;
    const { canvas } = this;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const t = now();
    const wide = width - SCALE_PX;
    const x = (at) => Math.max(0, (1 - (t - at) / WINDOW_S) * wide);
    const y = (name) => rows.indexOf(name) * LANE_PX + LANE_PX / 2;

    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    for (const name of rows) line(pen, 0, y(name), wide, y(name));

    pen.strokeStyle = colour("--lease");
    let before = null;
    turns.forEach((turn, i) => {
      const end = i === turns.length - 1 && live ? t : (turns[i + 1]?.from ?? turn.to);
      if (end < t - WINDOW_S) return;
      if (turn.holder) {
        if (before) {
          pen.lineWidth = 1.25;
          line(pen, x(turn.from), y(before), x(turn.from), y(turn.holder));
        }
        pen.lineWidth = 6;
        // A turn that is shorter than a pixel was still a turn.
        line(pen, x(turn.from), y(turn.holder), Math.max(x(end), x(turn.from) + 2), y(turn.holder));
      }
      before = turn.holder ?? before;
    });
  }
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}
