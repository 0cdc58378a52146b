/** What workloads use as keys: their names, and their order as the database has it (wire's key codec). */
import type { RowKey, ScanRange } from "./database-face.ts";

/** For ledgers, histories and messages. */
export function nameOf(key: RowKey): string {
  return key.join("/");
}

/** Elements in turn, numbers before strings, a prefix before what it begins. */
export function compareKeys(a: RowKey, b: RowKey): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (x === y) continue;
    if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** Whether `key` lies within the bounds of `range`. */
export function isWithin(key: RowKey, range: ScanRange): boolean {
  const { gt, gte, lt, lte } = range;
  return (
    (gt === undefined || compareKeys(key, gt) > 0) &&
    (gte === undefined || compareKeys(key, gte) >= 0) &&
    (lt === undefined || compareKeys(key, lt) < 0) &&
    (lte === undefined || compareKeys(key, lte) <= 0)
  );
}
