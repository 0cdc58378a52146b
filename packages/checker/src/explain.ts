/** A cycle in words: one line a link, then why it cannot be. */
import { RW, SESSION, TIME, WR, WW } from "./edges.ts";
import type { Link } from "./cycle.ts";
import { show } from "./footprint.ts";
import type { History } from "./history.ts";
import type { AnomalyName } from "./report.ts";
import { NOBODY, type Versions } from "./versions.ts";

const WHY: { readonly [name in AnomalyName]?: string } = {
  G0: "each write of the cycle is behind the one before it",
  G1c: "each transaction of the cycle is built on the one before it, so the first on itself",
  "lost update": "the last to write had not seen what it wrote over",
  "read your writes": "a session did not see its own write",
  "monotonic reads": "a session saw a write, and later did not",
  "monotonic writes": "a later write of a session is visible, or first, without an earlier one",
  "writes follow reads": "a write is visible without what its session had seen before",
  "G-single": "a snapshot shows the effect of a transaction, and not of one that came before it",
  "stale read": "what had ended before the transaction began is not visible to it",
  "long fork": "two readers see two writes in different orders",
  "write skew": "each read what the other overwrote: in no order one after the other",
  "G2-item": "in no order one after the other does each read what it read",
};

export function explain(
  name: AnomalyName,
  links: readonly Link[],
  history: History,
  versions: Versions,
): string[] {
  const lines = links.map((link) => explainLink(link, history, versions));
  const why = WHY[name];
  return why === undefined ? lines : [...lines, why];
}

function explainLink(
  { from, to, kind, older, newer, blind }: Link,
  history: History,
  versions: Versions,
): string {
  const a = `T${history[from]!.id}`;
  const b = `T${history[to]!.id}`;
  switch (kind) {
    case SESSION:
      return `${a} -session-> ${b}: session ${history[to]!.session} ran ${b} after ${a}`;
    case TIME: {
      const times = `had returned at ${history[from]!.returnedAt}, before ${b} began at ${history[to]!.invokedAt}`;
      return `${a} -time-> ${b}: ${a} ${times}, at cluster consistency`;
    }
    case WR:
      return `${a} -wr-> ${b}: ${b} saw ${nameVersion(older, versions)}, which ${a} wrote`;
    case WW: {
      const how = blind ? " (without reading the key)" : "";
      return `${a} -ww-> ${b}: ${b} wrote ${nameVersion(newer, versions)}${how} after ${a} wrote ${show(versions.valueOf(older))}`;
    }
    case RW: {
      const seen = versions.writerOf(older) === NOBODY ? "found" : "saw";
      return `${a} -rw-> ${b}: ${a} ${seen} ${nameVersion(older, versions)}, not yet ${show(versions.valueOf(newer))}, which ${b} wrote`;
    }
    default:
      return `${a} -> ${b}`;
  }
}

function nameVersion(version: number, versions: Versions): string {
  const key = versions.keyOf(version);
  const name = versions.nameOf(key);
  const value = versions.valueOf(version);
  if (versions.kindOf(key) === "register") return `${name} = ${show(value)}`;
  return value === undefined ? `list ${name} empty` : `${value} in list ${name}`;
}
