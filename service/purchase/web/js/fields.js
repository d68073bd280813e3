// Form fields, and what they hold as the API wants it.
import { h } from "./dom.js";

/** `{name, label, type, value, hint, ...attributes}` → a labelled field. */
export function field({ name, label, hint, options, wide, ...rest }) {
  const id = `f-${name}`;
  const about = hint ? `${id}-hint` : undefined;
  const control = options
    ? h("select", { id, name, "aria-describedby": about }, options.map(([value, words]) => h("option", { value }, words)))
    : h("input", { id, name, "aria-describedby": about, autocomplete: "off", ...rest });
  return h(wide ? "div.field.wide" : "div.field",
    h("label", { for: id }, label, rest.required || options ? "" : h("small", " optional")),
    control, hint ? h("small.hint", { id: about }, hint) : null);
}

/** Only what was filled in: an optional field that is left out has the service's default. */
export function values(form) {
  const found = {};
  for (const control of form.elements) {
    if (!control.name || control.value === "") continue;
    if (control.type === "number") found[control.name] = Number(control.value);
    else if (control.type === "datetime-local") found[control.name] = new Date(control.value).toISOString();
    else found[control.name] = control.value;
  }
  return found;
}

const whole = { type: "number", inputmode: "numeric", step: 1 };

export const FORMS = {
  create: {
    tab: "Create a sale",
    submit: "Create the sale",
    fields: [
      { name: "name", label: "Name", required: true, maxlength: 200, wide: true },
      { ...whole, name: "capacity", label: "Capacity (units)", required: true, min: 0, value: 100 },
      { ...whole, name: "allowance", label: "Overbooking allowance", min: 0, value: 0, hint: "sold beyond the capacity, on purpose" },
      { ...whole, name: "unit_price_minor", label: "Unit price, minor units", required: true, min: 0, value: 2500, hint: "2500 is 25.00" },
      { name: "currency", label: "Currency", required: true, pattern: "[A-Z]{3}", maxlength: 3, value: "EUR", title: "three capital letters" },
      { ...whole, name: "per_buyer_max", label: "Units a buyer, at most", min: 1 },
      { ...whole, name: "reservation_seconds", label: "Reservations last, seconds", min: 1 },
      { name: "opens_at", label: "Opens (your time)", type: "datetime-local" },
      { name: "closes_at", label: "Closes (your time)", type: "datetime-local" },
      { name: "strategy", label: "Granted", wide: true,
        options: [["leased", "in batches, under a lease"], ["row_lock", "one by one, under a row lock"],
          ["optimistic", "one by one, again if overtaken"], ["event_log", "one by one, from the log of events"],
          ["queue", "in the order in which they came, through a queue"]] },
      { name: "without_leases", label: "When no lease can be had", wide: true,
        options: [["refuse", "refuse buyers until leases are back"], ["continue", "go on, one replica against the other"]] },
    ],
  },
  change: {
    tab: "Change stock",
    submit: "Change the stock",
    fields: [
      { ...whole, name: "capacity", label: "Capacity (units)", required: true, min: 0 },
      { ...whole, name: "allowance", label: "Overbooking allowance", required: true, min: 0 },
    ],
  },
  rush: {
    tab: "Demo rush",
    submit: "Start the rush",
    note: "This browser buys for each of them, five at a time, each with an Idempotency-Key of its own. It is a demo, not a benchmark.",
    fields: [
      { ...whole, name: "buyers", label: "Buyers", required: true, min: 1, max: 100000, value: 500 },
      { ...whole, name: "seconds", label: "Over how many seconds", required: true, min: 0, max: 3600, value: 10, hint: "0: as fast as it can" },
      { ...whole, name: "quantity", label: "Units each", required: true, min: 1, value: 1 },
    ],
  },
};
