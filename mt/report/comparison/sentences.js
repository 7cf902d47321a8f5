// Sorts and filters the cards of the sentence browser.
(function () {
  "use strict";

  function prepare(browser) {
    const list = browser.querySelector(".cards");
    const cards = [...list.children].map((card) => ({ card, text: card.textContent.toLocaleLowerCase() }));
    const [order, direction, find] = [".order", ".direction", ".find"].map((name) => browser.querySelector(name));
    const count = browser.querySelector(".count");

    function sort() {
      const sign = Number(direction.value);
      const value = ({ card }) => Number(card.dataset[order.value] ?? -1);
      cards.sort((one, other) => sign * (value(one) - value(other)) || one.card.dataset.index - other.card.dataset.index);
      list.append(...cards.map(({ card }) => card));
      list.scrollTop = 0;
    }

    function filter() {
      const wanted = find.value.trim().toLocaleLowerCase();
      let shown = 0;
      for (const { card, text } of cards) {
        card.hidden = !text.includes(wanted);
        shown += !card.hidden;
      }
      count.textContent = shown + " of " + cards.length;
    }

    order.addEventListener("change", () => {
      // Low scores, and the beginning of the test set, are what one looks for.
      direction.value = order.value === "spread" || order.value === "length" ? "-1" : "1";
      sort();
    });
    direction.addEventListener("change", sort);
    find.addEventListener("input", filter);
    browser.querySelector(".tools").hidden = false;
    sort();
    filter();
  }

  for (const browser of document.querySelectorAll(".browser")) prepare(browser);
})();
