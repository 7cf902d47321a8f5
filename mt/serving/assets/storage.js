// What the browser remembers for the page, unless it stores nothing: then even looking is an error.

// Return the text that `keep` has stored in an area, localStorage or sessionStorage, or null.
export function recall(area, key) {
  try {
    return window[area].getItem(key);
  } catch {
    return null;
  }
}

export function keep(area, key, text) {
  try {
    window[area].setItem(key, text);
  } catch {} // which is no reason to translate nothing
}
