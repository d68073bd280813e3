// JSON Schema as people read it: resolved references, a table of fields, an example.

/** Follows a local `$ref`; what stands beside it wins. */
export function resolve(doc, value) {
  let at = value;
  for (let hops = 0; at?.$ref && hops < 20; hops += 1) {
    const { $ref, ...beside } = at;
    const path = $ref.replace(/^#\//, "").split("/").map((s) => s.replaceAll("~1", "/").replaceAll("~0", "~"));
    at = { ...path.reduce((found, name) => found?.[name], doc), ...beside };
  }
  return at ?? {};
}

const nameOf = (value) => value.$ref?.split("/").pop();

/** `allOf` merged, `null` among alternatives told apart: `{schema, nullable, choices}`. */
function flat(doc, value) {
  let schema = resolve(doc, value);
  if (schema.allOf) {
    const whole = schema.allOf.map((part) => flat(doc, part).schema);
    schema = {
      ...Object.assign({}, ...whole), ...schema,
      properties: Object.assign({}, ...whole.map((s) => s.properties), schema.properties),
      required: [...whole, schema].flatMap((s) => s.required ?? []),
    };
  }
  const choices = (schema.oneOf ?? schema.anyOf ?? []).map((choice) => ({ title: nameOf(choice), ...resolve(doc, choice) }));
  const some = choices.filter((choice) => choice.type !== "null");
  const types = [schema.type ?? []].flat();
  const nullable = some.length < choices.length || types.includes("null");
  if (some.length === 1) {
    const { oneOf, anyOf, ...rest } = schema;
    return { ...flat(doc, { ...some[0], ...rest }), nullable };
  }
  return { schema, nullable, choices: some };
}

const LIMITS = {
  minimum: "≥", exclusiveMinimum: ">", maximum: "≤", exclusiveMaximum: "<", minLength: "length ≥", maxLength: "length ≤",
  minItems: "items ≥", maxItems: "items ≤", pattern: "matches", default: "default", multipleOf: "multiple of",
};

/** The type in a few words: `integer (int64), ≥ 1, or null`. */
export function words(doc, value) {
  const { schema, nullable, choices } = flat(doc, value);
  let type = [schema.type ?? (schema.properties ? "object" : "")].flat().filter((t) => t !== "null").join(" or ");
  if (schema.const !== undefined) type = JSON.stringify(schema.const);
  else if (schema.enum) type = schema.enum.map((v) => JSON.stringify(v)).join(" | ");
  else if (type === "array") type = `array of ${words(doc, schema.items ?? {})}`;
  else if (choices?.length) type = choices.map((choice) => choice.title ?? words(doc, choice)).join(" | ");
  else if (type === "object") type = schema.title ?? nameOf(value) ?? type;
  if (schema.format) type += ` (${schema.format})`;
  const limits = Object.entries(LIMITS).filter(([name]) => schema[name] !== undefined && schema[name] !== null)
    .map(([name, sign]) => `${sign} ${typeof schema[name] === "string" ? schema[name] : JSON.stringify(schema[name])}`);
  return [type || "any", ...limits, ...(nullable ? ["or null"] : [])].join(", ");
}

/** Rows for a table: `{name, depth, required, type, description}`; stops where a schema contains itself. */
export function rows(doc, value, depth = 0, above = []) {
  const { schema, choices } = flat(doc, value);
  if (above.includes(schema.properties ?? schema) || depth > 5) return [];
  const path = [...above, schema.properties ?? schema];
  if (schema.type === "array" || schema.items) return rows(doc, schema.items, depth, path);
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, part]) => [
    {
      name, depth, required: (schema.required ?? []).includes(name), type: words(doc, part),
      description: flat(doc, part).schema.description ?? "",
    },
    ...rows(doc, part, depth + 1, path),
  ]);
  const others = (choices ?? []).flatMap((choice) => {
    const inner = rows(doc, choice, depth, path);
    return inner.length ? [{ name: choice.title ?? "or", depth, choice: true, type: "", description: choice.description ?? "" }, ...inner] : [];
  });
  return [...own, ...others];
}

/** A value that fits, from examples and defaults where the schema has them. */
export function example(doc, value, above = []) {
  const { schema, nullable, choices } = flat(doc, value);
  const given = schema.example ?? schema.examples?.[0] ?? schema.default ?? schema.const ?? schema.enum?.[0];
  if (given !== undefined && given !== null) return given;
  if (above.includes(schema.properties ?? schema) || above.length > 6) return null;
  const path = [...above, schema.properties ?? schema];
  if (choices?.length) return example(doc, choices[0], path);
  const type = [schema.type ?? (schema.properties ? "object" : "null")].flat().find((t) => t !== "null");
  if (type === "object") {
    return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, part]) => [name, example(doc, part, path)]));
  }
  if (type === "array") return [example(doc, schema.items ?? {}, path)];
  if (nullable) return null;
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return false;
  const formats = { uuid: "00000000-0000-4000-8000-000000000000", "date-time": "2030-01-01T00:00:00.000Z" };
  return type === "string" ? (formats[schema.format] ?? "string") : null;
}
