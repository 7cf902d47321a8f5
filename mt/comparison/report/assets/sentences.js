// Sorts and filters the cards of the sentence browser.
(function () {
  "use strict";

  const STEP = 8; // cards shown at first, and more at a click

  function prepare(browser) {
    const list = browser.querySelector(".cards");
    const cards = [...list.children].map((card) => ({ card, text: card.textContent.toLocaleLowerCase() }));
    const [order, direction, find] = [".order", ".direction", ".find"].map((name) => browser.querySelector(name));
    const count = browser.querySelector(".count");
    const more = browser.querySelector(".more");
    let limit = STEP;

    function sort() {
      const sign = Number(direction.value);
      const value = ({ card }) => Number(card.dataset[order.value] ?? -1);
      cards.sort((one, other) => sign * (value(one) - value(other)) || one.card.dataset.index - other.card.dataset.index);
      list.append(...cards.map(({ card }) => card));
      limit = STEP;
      filter();
    }

    function filter() {
      const wanted = find.value.trim().toLocaleLowerCase();
      let found = 0;
      for (const { card, text } of cards) {
        const fits = text.includes(wanted);
        card.hidden = !fits || found >= limit;
        found += fits;
      }
      count.textContent = found + " of " + cards.length;
      more.hidden = found <= limit;
    }

    order.addEventListener("change", () => {
      // Low scores, and the beginning of the test set, are what one looks for.
      direction.value = order.value === "spread" || order.value === "length" ? "-1" : "1";
      sort();
    });
    direction.addEventListener("change", sort);
    find.addEventListener("input", () => { limit = STEP; filter(); });
    more.addEventListener("click", () => { limit += STEP; filter(); });
    browser.querySelector(".tools").hidden = false;
    sort();
  }

  for (const browser of document.querySelectorAll(".browser")) prepare(browser);
})();
