// Attention maps of two systems side by side: which two, and both at the same sentence.
(function () {
  "use strict";

  function prepare(maps) {
    const panes = [...maps.querySelectorAll(".pane")];
    const sections = panes.map((pane) => pane.querySelector(".mt-attention"));
    const sides = [".left", ".right"].map((name) => maps.querySelector(name));

    maps.addEventListener("mt-sentence", (event) => {
      for (const section of sections) {
        if (section !== event.target) section.dispatchEvent(new CustomEvent("mt-go", { detail: event.detail }));
      }
    });

    function choose() {
      const chosen = sides.map((select) => Number(select.value));
      panes.forEach((pane, at) => {
        pane.hidden = !chosen.includes(at);
        pane.style.order = at === chosen[0] ? 0 : 1;
      });
      maps.dataset.count = new Set(chosen).size;
    }
    if (sides[0]) {
      for (const select of sides) select.addEventListener("change", choose);
      choose();
    }
  }

  for (const maps of document.querySelectorAll(".maps")) prepare(maps);
})();
