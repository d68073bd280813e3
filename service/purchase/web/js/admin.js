// The dialog for those who have the admin API key.
import { Sender } from "./api.js";
import { $, h, text } from "./dom.js";
import { FORMS, field, values } from "./fields.js";
import { start } from "./rush.js";

const STORED = "leasehold-admin-key";
let key = "";
try { key = sessionStorage.getItem(STORED) ?? ""; } catch {}

const dialog = $("admin");
const panels = {};
const tabs = {};
const sender = new Sender();
let keyInput, keepInput, known = () => [];

/** `sales()` lists the sales that can be chosen. */
export function prepare(sales) {
  known = sales;
  keyInput = h("input", {
    id: "f-key", type: "password", autocomplete: "off", spellcheck: "false", required: true,
    "aria-describedby": "key-hint", oninput: remember,
  });
  keyInput.value = key;
  keepInput = h("input", { id: "f-keep", type: "checkbox", onchange: remember });
  keepInput.checked = key !== "";
  dialog.append(
    h("header", h("h2", { id: "admin-h" }, "Admin"),
      h("button.quiet", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕")),
    h("div.api-key",
      h("label", { for: "f-key" }, "Admin API key"), keyInput,
      h("label.check", keepInput, " keep it until this tab is closed"),
      h("small.hint", { id: "key-hint" },
        "The key stays in this page’s memory, or in this tab’s session storage if you tick the box. It is sent to this server as a header, never in an address.")),
    h("div.tabs", { role: "tablist", "aria-label": "What to do", onkeydown: arrows },
      Object.keys(FORMS).map((name) => (tabs[name] = h("button", {
        type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => choose(name),
      }, FORMS[name].tab)))),
    ...Object.keys(FORMS).map(panel));
}

/** Shows the dialog at one of the forms, for a sale. */
export function open(name = "create", id = null) {
  for (const which of ["change", "rush"]) fill(panels[which], id);
  choose(name);
  dialog.showModal();
  (key ? panels[name].querySelector("input, select") : keyInput).focus();
}

function panel(name) {
  const { fields, submit, note } = FORMS[name];
  const chooser = name === "create" ? null
    : h("div.field.wide", h("label", { for: `${name}-sale` }, "Sale"),
      h("select", { id: `${name}-sale`, "data-sale": "", required: true, onchange: () => stock(panels[name]) }));
  const form = h("form", { id: `panel-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}` },
    chooser,
    // Names repeat between the forms; ids must not.
    fields.map((spec) => {
      const made = field(spec);
      for (const e of made.querySelectorAll("[id]")) e.id = `${name}-${e.id}`;
      for (const e of made.querySelectorAll("[for]")) e.htmlFor = `${name}-${e.htmlFor}`;
      for (const e of made.querySelectorAll("[aria-describedby]")) {
        e.setAttribute("aria-describedby", `${name}-${e.getAttribute("aria-describedby")}`);
      }
      return made;
    }),
    note ? h("p.hint.wide", note) : null,
    h("p.error.wide", { role: "alert" }),
    h("p.wide", h("button", { type: "submit" }, submit)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submitted(name, form);
  });
  return (panels[name] = form);
}

function fill(form, id) {
  const chooser = form.querySelector("[data-sale]");
  const list = known();
  chooser.replaceChildren(...list.map((sale) => h("option", { value: sale.sale_id }, sale.name)));
  if (id) chooser.value = id;
  form.querySelector("[type=submit]").disabled = !list.length;
  text(form.querySelector(".error"), list.length ? "" : "There is no sale yet: create one first.");
  stock(form);
}

const chosen = (form) => known().find((sale) => sale.sale_id === form.querySelector("[data-sale]").value);

function stock(form) {
  const sale = chosen(form);
  for (const name of ["capacity", "allowance"]) if (sale && form.elements[name]) form.elements[name].value = sale[name];
}

function choose(name) {
  for (const each of Object.keys(FORMS)) {
    panels[each].hidden = each !== name;
    tabs[each].setAttribute("aria-selected", each === name);
    tabs[each].tabIndex = each === name ? 0 : -1;
  }
}

function arrows(event) {
  const names = Object.keys(FORMS);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = names.findIndex((name) => tabs[name] === event.target);
  const next = names[(at + step + names.length) % names.length];
  choose(next);
  tabs[next].focus();
}

function remember() {
  key = keyInput.value.trim();
  try {
    if (keepInput.checked && key) sessionStorage.setItem(STORED, key);
    else sessionStorage.removeItem(STORED);
  } catch {} // without storage it stays in memory
}

async function submitted(name, form) {
  const error = form.querySelector(".error");
  text(error, "");
  if (!key) {
    text(error, "Enter the admin API key first.");
    return keyInput.focus();
  }
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    await DO[name](values(form), chosen.bind(null, form));
    dialog.close();
  } catch (refusal) {
    const unsure = refusal.unsure ? " It may have happened: send it again unchanged to find out, the key is the same." : "";
    text(error, `${refusal.message}.${unsure}`);
    if (refusal.status === 401) keyInput.focus();
  } finally {
    button.disabled = false;
  }
}

const DO = {
  async create(body) {
    const sale = await sender.send("POST", "/v1/sales", key, body);
    location.hash = `sale=${encodeURIComponent(sale.sale_id)}`;
  },
  async change(body, sale) {
    const id = sale().sale_id;
    await sender.send("PATCH", `/v1/sales/${encodeURIComponent(id)}`, key, body);
    location.hash = `sale=${encodeURIComponent(id)}`;
  },
  async rush(plan, sale) {
    location.hash = `sale=${encodeURIComponent(sale().sale_id)}`;
    start({ ...plan, sale: sale(), key });
  },
};
