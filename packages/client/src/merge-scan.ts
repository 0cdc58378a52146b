/**
 * A scan as users see it: rows from the node, page by page, merged with the transaction's own writes.
 *
 *     node      b   d   e | f   h ...            pages of one read point
 *     writes    a   d'  x e                      (x: deleted)
 *     emitted   a   b   d'  f   h ...
 *
 * The writes are looked at as the scan goes along, so a write made meanwhile shows if the scan has not passed it.
 */
import { assert, LIMITS, SixfoldError } from "@sixfold/model";
import { decodeKey, decodeValue, encodeKey, type Key } from "@sixfold/wire";
import type { Row } from "./options.ts";
import type { ScanOptions } from "./scan-options.ts";
import { keyString, type TableWrites } from "./write-buffer.ts";

/** Rows of the first page; later ones are larger: most scans are short, and long ones should take few trips. */
const PAGE_ROWS_FIRST = 128;
const PAGE_ROWS_MAX = 1024;
assert(PAGE_ROWS_MAX <= LIMITS.scanRows, "a page is within what a node gives");

/** Bounds, encoded. At most one of each side. */
export interface Range {
  readonly gt?: Uint8Array;
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly lte?: Uint8Array;
}

export interface ScanPlan {
  readonly range: Range;
  readonly limit: number;
  readonly reverse: boolean;
}

export interface Page {
  readonly rows: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  readonly more: boolean;
}

export type FetchPage = (range: Range, limit: number, reverse: boolean) => Promise<Page>;

/** Parses what a user asked for. */
export function planScan(options: ScanOptions = {}): ScanPlan {
  const { limit = Number.POSITIVE_INFINITY, reverse = false } = options;
  if (limit !== Number.POSITIVE_INFINITY && (!Number.isSafeInteger(limit) || limit < 0))
    throw new SixfoldError("bad-request", `a scan's limit is a whole number of rows, not ${String(limit)}`);
  if (options.gt !== undefined && options.gte !== undefined)
    throw new SixfoldError("bad-request", "a scan has gt or gte, not both");
  if (options.lt !== undefined && options.lte !== undefined)
    throw new SixfoldError("bad-request", "a scan has lt or lte, not both");
  const range: { -readonly [K in keyof Range]: Range[K] } = {};
  if (options.gt !== undefined) range.gt = encodeKey(options.gt);
  if (options.gte !== undefined) range.gte = encodeKey(options.gte);
  if (options.lt !== undefined) range.lt = encodeKey(options.lt);
  if (options.lte !== undefined) range.lte = encodeKey(options.lte);
  return { range, limit, reverse };
}

/** True if the whole answer is sure to come in one page. */
export function fitsOnePage(plan: ScanPlan): boolean {
  return plan.limit <= PAGE_ROWS_FIRST;
}

/** `overlay` gives the writes to the table at that moment, if there are any. */
export async function* mergeScan<T>(
  plan: ScanPlan,
  fetchPage: FetchPage,
  overlay: () => TableWrites | undefined,
): AsyncGenerator<Row<T>> {
  const own = new OwnRows(plan, overlay);
  let range = plan.range;
  let pageRows = PAGE_ROWS_FIRST;
  let left = plan.limit;
  while (left > 0) {
    const page = await fetchPage(range, Math.min(pageRows, left + own.deletes), plan.reverse);
    for (const [key, value] of page.rows) {
      const at = keyString(key);
      for (let row = own.before(at); row !== undefined && left > 0; row = own.before(at)) {
        left -= 1;
        yield toRow<T>(row.key, row.value);
      }
      if (left <= 0) return;
      const written = own.at(at);
      if (written !== undefined && written.value === undefined) continue;
      left -= 1;
      yield toRow<T>(key, written?.value ?? value);
      if (left <= 0) return;
    }
    const last = page.rows[page.rows.length - 1];
    if (!page.more || last === undefined) break;
    range = beyond(range, last[0], plan.reverse);
    pageRows = Math.min(4 * pageRows, PAGE_ROWS_MAX);
  }
  for (let row = own.before(undefined); row !== undefined && left > 0; row = own.before(undefined)) {
    left -= 1;
    yield toRow<T>(row.key, row.value);
  }
}

/** What is left of the range after `key`. */
function beyond(range: Range, key: Uint8Array, reverse: boolean): Range {
  const { gt, gte, lt, lte } = range;
  if (reverse) return { ...(gt === undefined ? {} : { gt }), ...(gte === undefined ? {} : { gte }), lt: key };
  return { gt: key, ...(lt === undefined ? {} : { lt }), ...(lte === undefined ? {} : { lte }) };
}

function toRow<T>(key: Uint8Array, value: Uint8Array): Row<T> {
  let decoded: Key;
  try {
    decoded = decodeKey(key);
    return [decoded, decodeValue(value) as T];
  } catch (cause) {
    throw new SixfoldError("corrupt", "a stored row cannot be decoded", { cause });
  }
}

/** A walk over the own writes in scan order, in step with the node's rows. */
class OwnRows {
  private readonly reverse: boolean;
  private readonly overlay: () => TableWrites | undefined;
  /** Where the walk begins, and the first key that is beyond its end. */
  private readonly start: string | undefined;
  private readonly startInclusive: boolean;
  private readonly end: string | undefined;
  private readonly endInclusive: boolean;
  /** The last key passed, whosoever row it was. */
  private position: string | undefined;

  constructor({ range, reverse }: ScanPlan, overlay: () => TableWrites | undefined) {
    this.reverse = reverse;
    this.overlay = overlay;
    const low = range.gt ?? range.gte;
    const high = range.lt ?? range.lte;
    const [start, end] = reverse ? [high, low] : [low, high];
    this.start = start === undefined ? undefined : keyString(start);
    this.end = end === undefined ? undefined : keyString(end);
    this.startInclusive = reverse ? range.lte !== undefined : range.gte !== undefined;
    this.endInclusive = reverse ? range.gte !== undefined : range.lte !== undefined;
  }

  get deletes(): number {
    return this.overlay()?.deletes ?? 0;
  }

  /** The next own row before `limit` (a row of the node's), or in the range if undefined. Deleted ones are passed over. */
  before(limit: string | undefined): { readonly key: Uint8Array; readonly value: Uint8Array } | undefined {
    const writes = this.overlay();
    if (writes === undefined) return undefined;
    for (;;) {
      const next =
        this.position === undefined
          ? writes.next(this.start, this.startInclusive, this.reverse)
          : writes.next(this.position, false, this.reverse);
      if (next === undefined || !this.isInside(next)) return undefined;
      if (limit !== undefined && !(this.reverse ? next > limit : next < limit)) return undefined;
      this.position = next;
      const { key, value } = writes.get(next)!;
      if (value !== undefined) return { key, value };
    }
  }

  /** The own write to a row of the node's, which is passed with that. */
  at(key: string): ReturnType<TableWrites["get"]> {
    this.position = key;
    return this.overlay()?.get(key);
  }

  private isInside(key: string): boolean {
    if (this.end === undefined || (key === this.end && this.endInclusive)) return true;
    return this.reverse ? key > this.end : key < this.end;
  }
}
