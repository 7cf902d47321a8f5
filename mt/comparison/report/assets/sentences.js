// Sorts and filters the cards of the sentence browser.
(function () {
  "use strict";

  const STEP = 8; // number of cards shown at first, and added by each click

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
      const query = find.value.trim().toLocaleLowerCase();
      let matching = 0;
      for (const { card, text } of cards) {
        const matches = text.includes(query);
        card.hidden = !matches || matching >= limit;
        matching += matches;
      }
      count.textContent = matching + " of " + cards.length;
      more.hidden = matching <= limit;
    }

    order.addEventListener("change", () => {
      // Begin with low scores and with the beginning of the test set.
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
