// Shows the attention maps of every <section class="mt-attention">, whose data `records_fragment` of page.py wrote.
// It must come after them on the page. Data goes into the page as text only, never as HTML.
// Layers and heads count from 0 in the data; head -1 is the mean of the heads.
(function () {
  "use strict";

  // Returns the weights [rows][columns], from 0 to 1, of a layer and head.
  // `weights` is {shape: [layers, heads, rows, columns], percent: [...]}.
  function matrix(weights, layer, head) {
    const [, heads, rows, columns] = weights.shape;
    const used = head < 0 ? [...Array(heads).keys()] : [head];
    const percent = (h, row, column) => weights.percent[((layer * heads + h) * rows + row) * columns + column];
    return Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (_, column) => used.reduce((sum, h) => sum + percent(h, row, column), 0) / used.length / 100));
  }

  function addElement(name, parent, text, className) {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (className) element.className = className;
    parent.appendChild(element);
    return element;
  }

  function addSelect(parent, title, onChange) {
    const select = addElement("select", addElement("label", parent, title));
    select.addEventListener("change", () => onChange(select.value));
    return {
      fill(options, value) { // options: [value, text]
        select.replaceChildren();
        for (const [key, text] of options) addElement("option", select, text).value = key;
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

    const controls = addElement("div", section, "", "controls");
    const navigation = addElement("div", controls, "", "navigation");
    const previous = addElement("button", navigation, "\u2039");
    const sentenceSelect = addSelect(navigation, "Sentence", (value) => goTo(Number(value), true));
    const next = addElement("button", navigation, "\u203a");
    const kindSelect = addSelect(controls, "Attention", (value) => { state.kind = value; draw(); });
    const layerSelect = addSelect(controls, "Layer", (value) => { state.layer = Number(value); draw(); });
    const headSelect = addSelect(controls, "Head", (value) => { state.head = Number(value); draw(); });
    const pair = addElement("div", section, "", "pair");
    const readout = addElement("p", section, "", "readout");
    const scroll = addElement("div", section, "", "scroll");
    const legend = addElement("p", section, "", "gold-legend");
    previous.title = "Previous sentence";
    next.title = "Next sentence";
    previous.setAttribute("aria-label", previous.title);
    next.setAttribute("aria-label", next.title);
    previous.hidden = next.hidden = sentences.length < 2;

    // Other fragments of the page can follow (event "mt-sentence") or lead (event "mt-go").
    // `detail` of both events is the index of the sentence.
    function goTo(sentence, notify) {
      if (sentence < 0 || sentence >= sentences.length) return;
      state.sentence = sentence;
      draw();
      if (notify) section.dispatchEvent(new CustomEvent("mt-sentence", { detail: sentence, bubbles: true }));
    }
    const step = (by) => goTo(state.sentence + by, true);
    section.addEventListener("mt-go", (event) => goTo(event.detail, false));
    previous.addEventListener("click", () => step(-1));
    next.addEventListener("click", () => step(1));
    sentenceSelect.fill(sentences.map((sentence, index) => [index, sentence.name + ": " + sentence.source.join(" ").slice(0, 60)]), 0);
    kindSelect.fill(Object.entries(kinds), state.kind);

    function draw() {
      const sentence = sentences[state.sentence];
      const weights = sentence.weights[state.kind];
      const [layers, heads] = weights.shape;
      state.layer = Math.min(state.layer, layers - 1); // another kind may have fewer
      state.head = Math.min(state.head, heads - 1);
      const numbers = (count) => [...Array(count).keys()].map((index) => [index, String(index + 1)]);
      sentenceSelect.select.value = state.sentence;
      previous.disabled = state.sentence === 0;
      next.disabled = state.sentence === sentences.length - 1;
      layerSelect.fill(numbers(layers), state.layer);
      headSelect.fill(heads > 1 ? [[-1, "mean of all"], ...numbers(heads)] : [[-1, "1"]], heads > 1 ? state.head : -1);
      drawMap(sentence, matrix(weights, state.layer, state.head));
    }

    // Adds a line of words. Those of queries can be pointed at, those of keys are shaded by their weight.
    function addWords(title, words, point) {
      const line = addElement("p", pair, "", point ? "queries" : "keys");
      addElement("span", line, title, "side");
      return words.map((text, index) => {
        const word = addElement("span", line, text, "word");
        word.dir = "auto";
        if (point) {
          word.tabIndex = 0;
          for (const name of ["mouseenter", "click", "focus"]) word.addEventListener(name, () => point(index));
        }
        addElement("span", line, " ");
        return word;
      });
    }

    function drawMap(sentence, values) {
      const rows = state.kind === "encoder" ? sentence.source : sentence.target;
      const columns = state.kind === "decoder" ? sentence.target : sentence.source;
      const gold = new Map(state.kind === "cross" ? sentence.gold.map(([i, j, sure]) => [j + " " + i, sure ? "sure" : "possible"]) : []);
      const best = (row) => values[row].indexOf(Math.max(...values[row]));
      pair.replaceChildren();
      const keyWords = addWords(state.kind === "decoder" ? "translation" : "source", columns);
      const queryWords = addWords(state.kind === "encoder" ? "source" : "translation", rows, (row) => select(row, best(row)));
      legend.textContent = gold.size ? "Outlined: gold links; dashed: possible ones." : "";
      readout.textContent = "Point at a word to see its attention, or at a cell to see its weight; or tap.";

      scroll.replaceChildren();
      const table = addElement("table", scroll);
      const header = addElement("tr", addElement("thead", table));
      const body = addElement("tbody", table);
      addElement("td", header);
      const columnTitles = columns.map((word) => {
        const cell = addElement("th", header);
        cell.title = word;
        addElement("span", cell, word).dir = "auto";
        return cell;
      });
      const lines = rows.map((word, row) => {
        const line = addElement("tr", body);
        const title = addElement("th", line, word);
        title.dir = "auto";
        title.title = word;
        title.addEventListener("mouseenter", () => select(row, best(row)));
        const cells = columns.map((_, column) => {
          const cell = addElement("td", line, "", gold.get(row + " " + column));
          cell.style.setProperty("--strength", Math.sqrt(values[row][column]).toFixed(3));
          for (const name of ["mouseenter", "click"]) cell.addEventListener(name, () => select(row, column));
          return cell;
        });
        return { title, cells };
      });

      selected = [];
      function select(row, column) {
        clearSelection();
        selected = [columnTitles[column], lines[row].title, ...lines[row].cells, queryWords[row]].map((element) => [element, "selected"]);
        for (const line of lines) if (line !== lines[row]) selected.push([line.cells[column], "in-column"]);
        for (const [element, name] of selected) element.classList.add(name);
        keyWords.forEach((word, index) => word.style.setProperty("--strength", Math.sqrt(values[row][index]).toFixed(3)));
        readout.textContent = "";
        addElement("b", readout, rows[row]).dir = "auto";
        addElement("span", readout, " attends to ");
        addElement("b", readout, columns[column]).dir = "auto";
        const rest = Math.max(0, 1 - values[row].reduce((sum, value) => sum + value, 0));
        const link = { sure: ", a gold link", possible: ", a possible gold link" }[gold.get(row + " " + column)] || "";
        addElement("span", readout, ": " + values[row][column].toFixed(2) + link + " (start and end symbols: " + rest.toFixed(2) + ")");
      }
    }

    let selected = []; // [element, the class that it was given]
    function clearSelection() {
      for (const [element, name] of selected) element.classList.remove(name);
      selected = [];
    }

    section.addEventListener("keydown", (event) => {
      if (event.target.tagName === "SELECT") return; // arrows change its value
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    draw();
  }

  for (const section of document.querySelectorAll(".mt-attention")) show(section);
})();
