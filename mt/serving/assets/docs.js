// The reference: openapi.json as a page.
"use strict";

function create(tag, text, ...children) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

// The name of a type, with a link if it is one of the objects below.
function typeName(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    const link = create("a", name);
    link.href = `#${name}`;
    return link;
  }
  if (schema.oneOf) {
    const names = schema.oneOf.flatMap((each, i) => (i ? [" or ", typeName(each)] : [typeName(each)]));
    return create("span", "", ...names);
  }
  if (schema.type === "array") return create("span", "list of ", typeName(schema.items));
  return create("span", schema.enum ? schema.enum.join(" or ") : schema.type);
}

function fieldTable(schema) {
  const rows = Object.entries(schema.properties).map(([name, field]) => {
    const facts = [field.description];
    if ("default" in field) facts.push(`Default: ${field.default}.`);
    if (schema.required?.includes(name)) facts.unshift("Required.");
    return create("tr", "", create("th", name), create("td", "", typeName(field)),
      create("td", facts.filter(Boolean).join(" ")));
  });
  const table = create("div", "", create("table", "", ...rows));
  table.className = "scroll";
  return table;
}

function describe(schema) {
  return schema.properties ? fieldTable(schema) : create("p", "", typeName(schema));
}

function endpoint(path, method, operation) {
  const section = create("section", "", create("h3", `${method.toUpperCase()} ${path}`),
    create("p", operation.summary));
  if (operation.requestBody) {
    const kinds = Object.entries(operation.requestBody.content);
    section.append(create("h4", `Request: ${kinds.map(([kind]) => kind).join(", ")}`), describe(kinds[0][1].schema));
  }
  for (const [status, answer] of Object.entries(operation.responses)) {
    const isGood = status === "200";
    section.append(create(isGood ? "h4" : "p", `${status}: ${answer.description}`));
    const schema = Object.values(answer.content)[0].schema;
    if (isGood) section.append(describe(schema.items?.properties ? schema.items : schema));
  }
  return section;
}

fetch("/openapi.json").then((answer) => answer.json()).then((reference) => {
  document.getElementById("description").textContent = reference.info.description;
  for (const [path, methods] of Object.entries(reference.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      document.getElementById("endpoints").append(endpoint(path, method, operation));
    }
  }
  for (const [name, schema] of Object.entries(reference.components.schemas)) {
    const title = create("h3", name);
    title.id = name;
    document.getElementById("objects").append(create("section", "", title, describe(schema)));
  }
});
