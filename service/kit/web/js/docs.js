// The API's description, /v1/openapi.json, as a page.
import { $, h, text } from "./dom.js";
import { example, resolve, rows, words } from "./docs-schema.js";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];

async function load() {
  try {
    const answer = await fetch("/v1/openapi.json", { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    const doc = await answer.json();
    if (!doc.paths) throw new Error("it has no paths");
    render(doc);
  } catch (error) {
    $("main").replaceChildren(h("div.card", { role: "alert" },
      h("h1", "The description cannot be read"), h("p", `${error.message}. `, h("a", { href: "/docs" }, "Try again"))));
  } finally {
    $("main").removeAttribute("aria-busy");
  }
}

function render(doc) {
  const all = Object.entries(doc.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, item, op: item[method] })));
  const tags = new Map((doc.tags ?? []).map((tag) => [tag.name, { about: tag.description, list: [] }]));
  for (const one of all) {
    const tag = one.op.tags?.[0] ?? "other";
    if (!tags.has(tag)) tags.set(tag, { list: [] });
    tags.get(tag).list.push(one);
    one.id = one.op.operationId ?? `${one.method}${one.path.replace(/\W+/g, "-")}`;
  }
  for (const [name, { list }] of tags) if (!list.length) tags.delete(name);
  text($("version"), `${doc.info?.title ?? "API"} ${doc.info?.version ?? ""}`);
  // A service with a live stream has a page for it.
  $("live").hidden = !doc.paths["/v1/live"];
  document.title = `${doc.info?.title ?? "Leasehold"} · API`;
  $("index").replaceChildren(...[...tags].map(([tag, { list }]) => h("section", h("h2", tag), h("ul", list.map((one) => {
    one.entry = h("li", h("a", { href: `#${one.id}` }, badge(one.method), h("span", one.path)));
    return one.entry;
  })))));
  $("main").replaceChildren(
    h("section.card.intro", h("h1", doc.info?.title ?? "API"), prose(doc.info?.description)),
    ...[...tags].map(([tag, { about, list }]) => h("section", h("h2.tag", tag), prose(about), list.map((one) => {
      one.card = operation(doc, one);
      one.words = `${one.method} ${one.path} ${one.card.textContent}`.toLowerCase();
      return one.card;
    }))));
  searching(all);
  // The address may name an endpoint that was not there when the page came.
  if (location.hash) $(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

function operation(doc, { id, path, method, item, op }) {
  const parameters = [...(item.parameters ?? []), ...(op.parameters ?? [])].map((p) => resolve(doc, p));
  const body = op.requestBody && resolve(doc, op.requestBody);
  const security = (op.security ?? doc.security ?? []).flatMap((one) =>
    Object.entries(one).map(([name, scopes]) => (scopes.length ? `${name}: ${scopes.join(", ")}` : name)));
  // An empty requirement among others: none may be asked for.
  const mayDoWithout = (op.security ?? doc.security ?? []).some((one) => !Object.keys(one).length);
  const needs = security.length ? `Needs an API key (${security.join(" or ")})${mayDoWithout ? ", where there are keys" : ""}.` : "Needs no API key.";
  return h("article.card.op", { id, "aria-label": `${method} ${path}` },
    h("h3", badge(method), h("code", path), h("a.anchor", { href: `#${id}`, "aria-label": "Link to this endpoint" }, "#")),
    op.summary ? h("p.summary", op.summary) : null,
    op.deprecated ? h("p.bad", "Deprecated") : null,
    prose(op.description),
    op.description?.includes("API key") ? null : h("p.hint", needs),
    parameters.length ? h("section", h("h4", "Parameters"), table(parameters.map((p) => ({
      name: p.name, depth: 0, required: p.required, type: `${p.in}: ${words(doc, p.schema ?? {})}`,
      description: p.description ?? resolve(doc, p.schema).description ?? "",
    })))) : null,
    body ? content(doc, "Body", body) : null,
    h("section", h("h4", "Answers"), Object.entries(op.responses ?? {}).map(([status, found]) => answer(doc, status, resolve(doc, found)))),
    curl(doc, { path, method, parameters, body, guarded: security.length > 0 }));
}

function content(doc, title, { content: types = {}, description, required }) {
  return Object.entries(types).map(([type, media]) => h("section",
    h("h4", title, h("small", ` ${type}${required ? "" : ", optional"}`)),
    prose(description), table(rows(doc, media.schema ?? {})), sample(shown(doc, media))));
}

function answer(doc, status, { description, content: types = {}, headers = {} }) {
  const bad = Number(status) >= 400 || status === "default";
  const inside = Object.entries(types).flatMap(([type, media]) => {
    // Problems all have the same fields; what differs are the codes.
    const fields = type.includes("problem") ? [] : rows(doc, media.schema ?? {});
    return [
      h("p.hint", type, " · ", words(doc, media.schema ?? {}).slice(0, 80)), fields.length ? table(fields) : null,
      ...examples(doc, type, media), ...events(doc, media)];
  });
  const codes = Object.values(types).flatMap((media) => codesOf(doc, media));
  const named = Object.keys(headers);
  return h("details.answer", { open: !bad },
    h("summary", h(bad ? "b.bad" : "b.good", status), h("span", " ", inline(description ?? ""), " "), codes.map((code) => h("code.code", code))),
    named.length ? h("p.hint", `Headers: ${named.join(", ")}`) : null, inside);
}

/** Every example with its name; a problem without one needs none. */
function examples(doc, type, media) {
  const named = Object.entries(media.examples ?? {});
  if (named.length) return named.map(([name, found]) => h("div", h("p.hint", name), sample(resolve(doc, found).value)));
  return type.includes("json") && !type.includes("problem") || media.example ? [sample(shown(doc, media))] : [];
}

/** What comes in a stream of server-sent events: `x-events`, each with its data. */
const events = (doc, media) => Object.entries(media["x-events"] ?? {}).map(([name, { description, data }]) => h("section",
  h("h4", h("code", name), h("small", " event")), prose(description), table(rows(doc, data ?? {})),
  sample(`event: ${name}\ndata: ${JSON.stringify(example(doc, data ?? {}))}`)));

const shown = (doc, media) =>
  media.example ?? resolve(doc, Object.values(media.examples ?? {})[0]).value ?? example(doc, media.schema ?? {});

function codesOf(doc, media) {
  const found = [media.example, ...Object.values(media.examples ?? {}).map((one) => resolve(doc, one).value)].map((value) => value?.code);
  const code = resolve(doc, resolve(doc, media.schema).properties?.code);
  // All that there are say nothing of this answer: only where no example says more.
  const named = found.filter(Boolean);
  return [...new Set(named.length ? named : [...(code.enum ?? []), code.const])].filter(Boolean);
}

function table(list) {
  if (!list.length) return null;
  return h("div.scroll", { tabindex: 0, role: "group", "aria-label": "Fields" }, h("table",
    h("thead", h("tr", ["Name", "Type", "Meaning"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", list.map((row) => h(row.choice ? "tr.choice" : "tr",
      h(`th.d${Math.min(row.depth, 4)}`, { scope: "row" }, h("code", row.name), row.required ? h("small", " required") : null),
      h("td", row.type), h("td", inline(row.description)))))));
}

const sample = (value) => (value === undefined || value === null ? null
  : h("pre", { tabindex: 0 }, h("code", typeof value === "string" ? value : JSON.stringify(value, null, 2))));

function curl(doc, { path, method, parameters, body, guarded }) {
  const quote = (value) => `'${String(value).replaceAll("'", "'\\''")}'`;
  const query = parameters.filter((p) => p.in === "query" && p.required)
    .map((p) => `${p.name}=${encodeURIComponent(example(doc, p.schema ?? {}))}`).join("&");
  const parts = ["curl", method === "get" ? "" : `-X ${method.toUpperCase()}`, quote(location.origin + path + (query && `?${query}`))];
  if (guarded) parts.push('-H "Authorization: Bearer $LEASEHOLD_KEY"');
  for (const p of parameters.filter((p) => p.in === "header" && p.required)) {
    parts.push(/idempotency-key/i.test(p.name) ? `-H "${p.name}: $(uuidgen)"` : `-H ${quote(`${p.name}: ${example(doc, p.schema ?? {})}`)}`);
  }
  const [type, media] = Object.entries(body?.content ?? {})[0] ?? [];
  if (type) parts.push(`-H ${quote(`Content-Type: ${type}`)}`, `-d ${quote(JSON.stringify(shown(doc, media)))}`);
  const line = parts.filter(Boolean).join(" ");
  const button = h("button.quiet", { type: "button", onclick: () => copy(line, button) }, "Copy");
  return h("section.curl", h("h4", "Try it"), h("div", h("pre", { tabindex: 0 }, h("code", line)), button));
}

async function copy(line, button) {
  try {
    await navigator.clipboard.writeText(line);
    text(button, "Copied");
  } catch {
    // Over plain HTTP there is no clipboard: select the line, for the person to copy.
    getSelection().selectAllChildren(button.previousSibling);
    text(button, "Selected");
  }
  setTimeout(() => text(button, "Copy"), 2000);
}

/** Paragraphs and `code`; the rest of Markdown stays as it was written. */
const prose = (words) => (words ?? "").split(/\n{2,}/).filter(Boolean).map((part) =>
  h("p.prose", inline(part)));

const inline = (words) => words.split(/`([^`]+)`/).map((piece, i) => (i % 2 ? h("code", piece) : piece));

const badge = (method) => h(`b.method.${method}`, method.toUpperCase());

function searching(all) {
  const box = $("search");
  const find = () => {
    const wanted = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const one of all) {
      const fits = wanted.every((word) => one.words.includes(word));
      one.card.hidden = one.entry.hidden = !fits;
      found += fits;
    }
    for (const section of document.querySelectorAll("#index section, #main > section:not(.intro)")) {
      section.hidden = !section.querySelector("li:not([hidden]), article:not([hidden])");
    }
    text($("found"), wanted.length ? `${found} of ${all.length} endpoints` : `${all.length} endpoints`);
  };
  box.addEventListener("input", find);
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, textarea")) return;
    event.preventDefault();
    box.focus();
  });
  find();
}

load();
