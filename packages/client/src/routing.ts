/**
 * Which of several writers serves a hint (`Affinity`).
 *
 * Every client must come to the same answer without asking: hints are placed on the writers that the *cluster*
 * names, connected or not, so that a lost connection moves only what it served. Words go by rendezvous hashing (Thaler and Ravishankar,
 * 1998): a writer that joins or leaves moves only its share. Numbers are a choice of the user's: the n-th writer by name.
 */

/** The names in the order in which they should serve the hint. */
export function preference(names: readonly string[], hint: string | number): string[] {
  if (typeof hint === "number" && Number.isSafeInteger(hint)) {
    const sorted = [...names].sort(byName);
    const first = sorted.length === 0 ? 0 : ((hint % sorted.length) + sorted.length) % sorted.length;
    return [...sorted.slice(first), ...sorted.slice(0, first)];
  }
  const word = String(hint);
  const scored = names.map((name) => ({ name, score: fnv1a(`${name}\0${word}`) }));
  return scored.sort((a, b) => b.score - a.score || byName(a.name, b.name)).map((s) => s.name);
}

/** `writer-2` before `writer-10`. */
function byName(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** FNV-1a of 32 bits, with a final mix: neighbouring words must not land together. */
function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
