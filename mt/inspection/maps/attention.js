// Shows the attention maps of every <section class="mt-attention">, whose data `attention_fragment` of page.py wrote.
// It must come after them on the page. Text goes into the page as text only, never as HTML. Layers and heads count from 0 in the data, head -1 is the mean.
(function () {
  "use strict";

  // The [rows][columns] of weights from 0 to 1 of a layer and head, of {shape: [layers, heads, rows, columns], percent: [...]}.
  function matrix(weights, layer, head) {
    const [, heads, rows, columns] = weights.shape;
    const used = head < 0 ? [...Array(heads).keys()] : [head];
    const at = (h, row, column) => weights.percent[((layer * heads + h) * rows + row) * columns + column];
    return Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (_, column) => used.reduce((sum, h) => sum + at(h, row, column), 0) / used.length / 100));
  }

  function element(name, parent, text, className) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    parent.appendChild(made);
    return made;
  }

  function choice(parent, title, change) {
    const select = element("select", element("label", parent, title));
    select.addEventListener("change", () => change(select.value));
    return {
      fill(options, value) { // options: [value, text]
        select.replaceChildren();
        for (const [key, text] of options) element("option", select, text).value = key;
        select.value = value;
        select.parentNode.hidden = options.length < 2;
      },
      select,
    };
  }

  function show(section) {
    const data = JSON.parse(section.querySelector("script").textContent);
    const { sentences, kinds } = data;
    const state = { sentence: 0, ...data.start };

    const controls = element("div", section, "", "controls");
    const walk = element("div", controls, "", "walk");
    const back = element("button", walk, "\u2039");
    const which = choice(walk, "Sentence", (value) => go(Number(value), true));
    const forth = element("button", walk, "\u203a");
    const kind = choice(controls, "Attention", (value) => { state.kind = value; draw(); });
    const layer = choice(controls, "Layer", (value) => { state.layer = Number(value); draw(); });
    const head = choice(controls, "Head", (value) => { state.head = Number(value); draw(); });
    const pair = element("div", section, "", "pair");
    const readout = element("p", section, "", "readout");
    const scroll = element("div", section, "", "scroll");
    const key = element("p", section, "", "key");
    back.title = "Previous sentence";
    forth.title = "Next sentence";
    back.setAttribute("aria-label", back.title);
    forth.setAttribute("aria-label", forth.title);
    back.hidden = forth.hidden = sentences.length < 2;

    // Others on the page may follow (event "mt-sentence"), or lead ("mt-go"): `detail` is the number of the sentence.
    function go(to, lead) {
      if (to < 0 || to >= sentences.length) return;
      state.sentence = to;
      draw();
      if (lead) section.dispatchEvent(new CustomEvent("mt-sentence", { detail: to, bubbles: true }));
    }
    const step = (by) => go(state.sentence + by, true);
    section.addEventListener("mt-go", (event) => go(event.detail, false));
    back.addEventListener("click", () => step(-1));
    forth.addEventListener("click", () => step(1));
    which.fill(sentences.map((each, index) => [index, each.name + ": " + each.source.join(" ").slice(0, 60)]), 0);
    kind.fill(Object.entries(kinds), state.kind);

    function draw() {
      const sentence = sentences[state.sentence];
      const weights = sentence.weights[state.kind];
      const [layers, heads] = weights.shape;
      state.layer = Math.min(state.layer, layers - 1); // another kind may have fewer
      state.head = Math.min(state.head, heads - 1);
      const numbers = (count) => [...Array(count).keys()].map((index) => [index, String(index + 1)]);
      which.select.value = state.sentence;
      back.disabled = state.sentence === 0;
      forth.disabled = state.sentence === sentences.length - 1;
      layer.fill(numbers(layers), state.layer);
      head.fill(heads > 1 ? [[-1, "mean of all"], ...numbers(heads)] : [[-1, "1"]], heads > 1 ? state.head : -1);

      table(sentence, matrix(weights, state.layer, state.head));
    }

    // A line of words, each by itself: those that look can be pointed at, those looked at are shaded by their weight.
    function line(title, words, point) {
      const made = element("p", pair, "", point ? "looks" : "seen");
      element("span", made, title, "who");
      return words.map((word, index) => {
        const each = element("span", made, word, "word");
        each.dir = "auto";
        if (point) {
          each.tabIndex = 0;
          for (const name of ["mouseenter", "click", "focus"]) each.addEventListener(name, () => point(index));
        }
        element("span", made, " ");
        return each;
      });
    }

    function table(sentence, values) {
      const rows = state.kind === "encoder" ? sentence.source : sentence.target;
      const columns = state.kind === "decoder" ? sentence.target : sentence.source;
      const gold = new Map(state.kind === "cross" ? sentence.gold.map(([i, j, sure]) => [j + " " + i, sure ? "sure" : "possible"]) : []);
      const hint = "Point at a word to see where the model looks for it, at a cell for its number; or tap.";
      pair.replaceChildren();
      const seen = line(state.kind === "decoder" ? "translation" : "source", columns);
      const looking = line(state.kind === "encoder" ? "source" : "translation", rows, (row) => mark(row, best(row)));
      const best = (row) => values[row].indexOf(Math.max(...values[row]));
      key.textContent = gold.size ? "Outlined: gold links; dashed: possible ones." : "";
      readout.textContent = hint;

      scroll.replaceChildren();
      const made = element("table", scroll);
      const top = element("tr", element("thead", made));
      const body = element("tbody", made);
      element("td", top);
      const heads = columns.map((word) => {
        const cell = element("th", top);
        cell.title = word;
        element("span", cell, word).dir = "auto";
        return cell;
      });
      const lines = rows.map((word, row) => {
        const bar = element("tr", body);
        const name = element("th", bar, word);
        name.dir = "auto";
        name.title = word;
        name.addEventListener("mouseenter", () => mark(row, best(row)));
        const cells = columns.map((_, column) => {
          const cell = element("td", bar, "", gold.get(row + " " + column));
          cell.style.setProperty("--strength", Math.sqrt(values[row][column]).toFixed(3));
          const point = () => mark(row, column);
          cell.addEventListener("mouseenter", point);
          cell.addEventListener("click", point);
          return cell;
        });
        return { name, cells };
      });

      marked = [];
      function mark(row, column) {
        unmark();
        marked = [[heads[column], "here"], [lines[row].name, "here"]];
        for (const cell of lines[row].cells) marked.push([cell, "here"]);
        for (const line of lines) if (line !== lines[row]) marked.push([line.cells[column], "across"]);
        marked.push([looking[row], "here"]);
        for (const [cell, name] of marked) cell.classList.add(name);
        seen.forEach((word, index) => word.style.setProperty("--strength", Math.sqrt(values[row][index]).toFixed(3)));
        readout.textContent = "";
        element("b", readout, rows[row]).dir = "auto";
        element("span", readout, " looks at ");
        element("b", readout, columns[column]).dir = "auto";
        const rest = Math.max(0, 1 - values[row].reduce((sum, value) => sum + value, 0));
        const link = { sure: ", a gold link", possible: ", a possible gold link" }[gold.get(row + " " + column)] || "";
        element("span", readout, ": " + values[row][column].toFixed(2) + link + " (start and end marks: " + rest.toFixed(2) + ")");
      }
    }

    let marked = []; // [cell, name of a class it got]
    function unmark() {
      for (const [cell, name] of marked) cell.classList.remove(name);
      marked = [];
    }

    section.addEventListener("keydown", (event) => {
      if (event.target.tagName === "SELECT") return; // arrows choose there
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    draw();
  }

  for (const section of document.querySelectorAll(".mt-attention")) show(section);
})();
