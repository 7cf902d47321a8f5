// The parts of a browser that mt/inspection/maps/attention.js needs.
// node fake_dom.js SCRIPT < JSON of a fragment -> JSON of what is visible, at first and after some clicks.
const fs = require("fs");

class Element {
  constructor(name) {
    Object.assign(this, { tagName: name.toUpperCase(), children: [], text: "", className: "", attributes: {}, listeners: {} });
    this.classes = new Set();
    this.classList = { add: (name) => this.classes.add(name), remove: (name) => this.classes.delete(name) };
    this.style = { setProperty: (name, value) => { this.attributes[name] = value; } };
  }
  appendChild(child) { child.parentNode = this; this.children.push(child); return child; }
  replaceChildren() { this.children = []; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { (this.listeners[name] ??= []).push(listener); }
  fire(name, event = {}) { for (const listener of this.listeners[name] ?? []) listener({ target: this, ...event }); }
  dispatchEvent() { return true; }
  get textContent() { return this.text + this.children.map((child) => child.textContent).join(""); }
  set textContent(text) { this.text = String(text); this.children = []; }
  set innerHTML(_) { throw new Error("text must not become HTML"); }
  querySelectorAll(name) {
    const isMatch = (child) => child.tagName === name.toUpperCase();
    return this.children.flatMap((child) => [...(isMatch(child) ? [child] : []), ...child.querySelectorAll(name)]);
  }
  querySelector(name) { return this.querySelectorAll(name)[0]; }
}

const section = new Element("section");
section.appendChild(new Element("script")).textContent = fs.readFileSync(0, "utf-8");
globalThis.document = { createElement: (name) => new Element(name), querySelectorAll: () => [section] };
(0, eval)(fs.readFileSync(process.argv[2], "utf-8"));

const selects = section.querySelectorAll("select");
const [previous, next] = section.querySelectorAll("button");
const body = () => section.querySelector("tbody");
const cells = (read) => body().querySelectorAll("tr").map((row) => row.querySelectorAll("td").map(read));
const visible = () => ({
  chosen: selects.map((select) => String(select.value)),
  options: selects.map((select) => select.querySelectorAll("option").map((option) => option.textContent)),
  columns: section.querySelector("thead").querySelectorAll("th").map((cell) => cell.textContent),
  rows: body().querySelectorAll("th").map((cell) => cell.textContent),
  strength: cells((cell) => Number(cell.attributes["--strength"])),
  gold: cells((cell) => cell.className),
  marked: cells((cell) => [...cell.classes].join()),
  readout: section.querySelectorAll("p").find((line) => line.className === "readout").textContent,
  disabled: [Boolean(previous.disabled), Boolean(next.disabled)],
});
const choose = (index, value) => { selects[index].value = String(value); selects[index].fire("change"); };

const result = { first: visible() };
body().querySelectorAll("td")[1].fire("mouseenter");
result.pointed = visible();
choose(2, 1);
choose(3, 0);
result.layer2head1 = visible();
choose(1, "encoder");
result.encoder = visible();
next.fire("click");
result.second = visible();
section.fire("keydown", { key: "ArrowLeft" });
result.back = visible();
console.log(JSON.stringify(result));
