// Says how things stand with the stream: live, trying, lost, or answering with something else.
import { $, attr, text } from "./dom.js";
import { now } from "./history.js";
import { span } from "./format.js";

const WORDS = { connecting: "connecting", live: "live", lost: "reconnecting", error: "error" };

export class Link {
  constructor() {
    this.state = { kind: "connecting", why: "", retryAt: null };
    this.since = now();
    this.ever = false;
  }

  set(state) {
    // A failed attempt prolongs the same loss: the banner counts from its start.
    if ((state.kind === "live") !== this.live) this.since = now();
    this.ever ||= state.kind === "live";
    this.state = state;
  }

  get live() { return this.state.kind === "live"; }
  get trying() { return this.state.kind === "connecting"; }

  show(replica, heard) {
    const { kind, why, retryAt } = this.state;
    const stale = !this.live && !this.trying;
    attr($("link"), "data-kind", kind);
    text($("link-text"), this.live && replica ? `live from ${replica}` : WORDS[this.ever && kind === "error" ? "lost" : kind]);
    document.body.classList.toggle("stale", stale && this.ever);
    for (const mark of document.querySelectorAll(".asof")) {
      text(mark, stale && heard !== null ? `${span(now() - heard)} old` : "");
    }
    $("banner").hidden = !stale;
    if (!stale) return;
    const gone = span(Math.floor(now() - this.since));
    text($("banner-what"), this.ever ? "The live stream is lost; these numbers are old." : "The live stream cannot be read.");
    text($("banner-why"), `${why[0].toUpperCase()}${why.slice(1)}.`);
    const next = retryAt === null ? "trying now" : `next try in ${span(Math.max(0, Math.ceil((retryAt - performance.now()) / 1000)))}`;
    text($("banner-next"), `For ${gone.replace(".0", "")}; ${next.replace(".0", "")}.`);
  }
}

/** Tells a screen reader how the sale stands, seldom: at a change that matters, else every 15 s. */
export class Speaker {
  constructor(host) {
    Object.assign(this, { host, at: -Infinity, said: "", last: "" });
  }

  say(urgent, words) {
    const t = now();
    const wait = urgent !== this.last ? 2 : 15;
    if (words === this.said || t - this.at < wait) return;
    Object.assign(this, { at: t, said: words, last: urgent });
    text(this.host, words);
  }
}
