// Attention maps side by side: selects two systems, and keeps both at the same sentence.
(function () {
  "use strict";

  function prepare(maps) {
    const panes = [...maps.querySelectorAll(".pane")];
    const fragments = panes.map((pane) => pane.querySelector(".mt-attention"));
    const sides = [".left", ".right"].map((name) => maps.querySelector(name));

    maps.addEventListener("mt-sentence", (event) => {
      for (const fragment of fragments) {
        if (fragment !== event.target) fragment.dispatchEvent(new CustomEvent("mt-go", { detail: event.detail }));
      }
    });

    function select() {
      const selected = sides.map((side) => Number(side.value));
      panes.forEach((pane, at) => {
        pane.hidden = !selected.includes(at);
        pane.style.order = at === selected[0] ? 0 : 1;
      });
      maps.dataset.count = new Set(selected).size;
    }
    if (sides[0]) {
      for (const side of sides) side.addEventListener("change", select);
      select();
    }
  }

  for (const maps of document.querySelectorAll(".maps")) prepare(maps);
})();
