// As much of a browser as mt/report/attention.js needs: node fake_dom.js SCRIPT < the fragment's JSON -> what can be seen, as JSON,
// at first and after some clicks.
const fs = require("fs");

class Element {
  constructor(name) {
    Object.assign(this, { tagName: name.toUpperCase(), children: [], own: "", className: "", attributes: {}, listeners: {} });
    this.names = new Set();
    this.classList = { add: (name) => this.names.add(name), remove: (name) => this.names.delete(name) };
    this.style = { setProperty: (name, value) => { this.attributes[name] = value; } };
  }
  appendChild(child) { child.parentNode = this; this.children.push(child); return child; }
  replaceChildren() { this.children = []; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { (this.listeners[name] ??= []).push(listener); }
  fire(name, event = {}) { for (const listener of this.listeners[name] ?? []) listener({ target: this, ...event }); }
  dispatchEvent() { return true; }
  get textContent() { return this.own + this.children.map((child) => child.textContent).join(""); }
  set textContent(text) { this.own = String(text); this.children = []; }
  set innerHTML(_) { throw new Error("text must not become HTML"); }
  all(name) { return this.children.flatMap((child) => [...(child.tagName === name.toUpperCase() ? [child] : []), ...child.all(name)]); }
  querySelector(name) { return this.all(name)[0]; }
}

const section = new Element("section");
section.appendChild(new Element("script")).textContent = fs.readFileSync(0, "utf-8");
globalThis.document = { createElement: (name) => new Element(name), querySelectorAll: () => [section] };
(0, eval)(fs.readFileSync(process.argv[2], "utf-8"));

const selects = section.all("select");
const [back, forth] = section.all("button");
const body = () => section.querySelector("tbody");
const see = () => ({
  chosen: selects.map((select) => String(select.value)),
  options: selects.map((select) => select.all("option").map((option) => option.textContent)),
  columns: section.querySelector("thead").all("th").map((cell) => cell.textContent),
  rows: body().all("th").map((cell) => cell.textContent),
  strength: body().all("tr").map((row) => row.all("td").map((cell) => Number(cell.attributes["--strength"]))),
  gold: body().all("tr").map((row) => row.all("td").map((cell) => cell.className)),
  marked: body().all("tr").map((row) => row.all("td").map((cell) => [...cell.names].join())),
  readout: section.all("p").find((each) => each.className === "readout").textContent,
  ends: [Boolean(back.disabled), Boolean(forth.disabled)],
});
const choose = (index, value) => { selects[index].value = String(value); selects[index].fire("change"); };

const seen = { first: see() };
body().all("td")[1].fire("mouseenter");
seen.pointed = see();
choose(2, 1);
choose(3, 0);
seen.layer2head1 = see();
choose(1, "encoder");
seen.encoder = see();
forth.fire("click");
seen.second = see();
section.fire("keydown", { key: "ArrowLeft" });
seen.back = see();
console.log(JSON.stringify(seen));
