// Words of a text: where they stand, and elements for them.

// Return [start, end] of each unit in `text`, from `cursor` on; null for one that is not found.
// Units are normalised, and the text may not be: a unit that differs is passed over.
export function locate(units, text, cursor = 0) {
  return units.map((unit) => {
    const start = unit ? text.indexOf(unit, cursor) : -1;
    if (start < 0 || start > cursor + 200) return null;
    cursor = start + unit.length;
    return [start, cursor];
  });
}

// Fill an element with `text`, in which the places stand in elements of their own. Return these,
// null for a place that is null.
export function fill(element, text, places, tag, className) {
  let cursor = 0;
  const elements = places.map((place) => {
    if (!place) return null;
    element.append(text.slice(cursor, place[0]));
    const word = document.createElement(tag);
    word.className = className;
    word.textContent = text.slice(...place);
    element.append(word);
    cursor = place[1];
    return word;
  });
  element.append(text.slice(cursor));
  return elements;
}

const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u;

// Return what stands between two parts of a line, as the server joins them.
export function gap(before, after) {
  return UNSPACED.test(before.slice(-2)) || UNSPACED.test(after.slice(0, 1)) ? "" : " ";
}

// Return the text with the words marked that `other` does not have.
export function markNew(text, other) {
  const known = new Set(other.split(" "));
  const element = document.createDocumentFragment();
  text.split(" ").forEach((word, i) => {
    if (i) element.append(" ");
    if (known.has(word)) {
      element.append(word);
    } else {
      const mark = document.createElement("mark");
      mark.textContent = word;
      element.append(mark);
    }
  });
  return element;
}
