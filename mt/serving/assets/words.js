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

// Letters and punctuation of scripts without spaces between words.
const UNSPACED = /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}\p{scx=Tibetan}]/gu;

// Return what stands between the parts of a line, as the server joins them: nothing if most of the
// line has no spaces between words.
export function gap(line) {
  const [visible, unspaced] = [/\S/gu, UNSPACED].map((kind) => line.match(kind)?.length ?? 0);
  return 2 * unspaced > visible ? "" : " ";
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
