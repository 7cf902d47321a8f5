// The choice of a language from a list that is too long to look through: a dialog with a search.

import { keep, recall } from "./storage.js";

const LONG = 20; // languages, from which on there is a search
const RECENT = 5; // languages that are remembered, and come first
const KEY = "languages";

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function recent() {
  try {
    return JSON.parse(recall("localStorage", KEY)) ?? [];
  } catch {
    return []; // another page has stored something else
  }
}

function remember(code) {
  const codes = [code, ...recent().filter((each) => each !== code)];
  keep("localStorage", KEY, JSON.stringify(codes.slice(0, RECENT)));
}

// Puts a button in the place of a <select> while that has many options. It opens the dialog, and
// what is chosen there becomes the value of the <select>.
export class LanguageChoice {
  constructor(select, dialog) {
    [this.select, this.dialog] = [select, dialog];
    [this.search, this.list] = [dialog.querySelector("input"), dialog.querySelector("ul")];
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "choose";
    this.button.setAttribute("aria-haspopup", "dialog");
    select.after(this.button);
    this.button.addEventListener("click", () => this.open());
    this.refresh();
  }

  // Show the value of the <select>, which scripts may have changed.
  refresh() {
    const isLong = this.select.options.length > LONG;
    const name = this.select.selectedOptions[0]?.text ?? "";
    this.select.hidden = isLong;
    this.button.hidden = !isLong;
    this.button.textContent = name;
    this.button.setAttribute("aria-label", `${this.select.getAttribute("aria-label")}: ${name}`);
  }

  open() {
    this.search.value = "";
    this.search.oninput = () => this.show();
    this.dialog.onkeydown = (event) => this.move(event);
    this.dialog.onclick = (event) => event.target === this.dialog && this.dialog.close(); // beside it
    this.show();
    this.dialog.showModal();
    this.search.focus();
  }

  // List the languages whose name or code begins with what is searched, then those that contain it.
  show() {
    const wanted = plain(this.search.value.trim());
    const known = recent();
    const rank = (option) => {
      const [name, code] = [plain(option.text), plain(option.value)];
      if (!wanted) return option.value === "auto" ? -1 : known.includes(option.value) ? known.indexOf(option.value) : RECENT;
      if (name.startsWith(wanted) || code === wanted) return 0;
      return name.includes(wanted) || code.startsWith(wanted) ? 1 : null;
    };
    const found = [...this.select.options]
      .map((option) => [rank(option), option])
      .filter(([place]) => place !== null)
      .sort(([a, one], [b, other]) => a - b || one.text.localeCompare(other.text, "en"));
    this.list.replaceChildren(...found.map(([, option]) => this.item(option)));
    this.dialog.querySelector("p").hidden = found.length > 0;
  }

  item(option) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = option.text;
    if (option.selected) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => this.choose(option.value));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  choose(code) {
    this.dialog.close();
    if (code !== "auto") remember(code);
    this.select.value = code;
    this.select.dispatchEvent(new Event("change"));
  }

  // Enter takes the first language of the list; the arrow keys walk through it.
  move(event) {
    const buttons = [...this.list.querySelectorAll("button")];
    const place = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) (buttons[place + step] ?? this.search).focus();
    else if (event.key === "Enter" && place < 0) buttons[0]?.click();
    else return;
    event.preventDefault();
  }
}
