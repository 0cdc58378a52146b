/**
 * Identities and positions, each branded so that one cannot stand in for another.
 *
 * All are plain numbers at run time: they index arrays and maps, and travel as
 * fixed-width integers. DESIGN section 1 fixes the words.
 */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A page of the volume: 0 … 2^32-1. */
export type PageId = Brand<number, "PageId">;
/** A protection group: a run of consecutive pages. Numbered from 0 as the volume grows. */
export type PgId = Brand<number, "PgId">;
/** The log of one writer incarnation. Numbered from 1 in opening order: a lower id is older and ranks higher. */
export type StreamId = Brand<number, "StreamId">;
/** Dense number 1, 2, 3 … of an entry within its stream; 0 stands for "before the first". Counts entries, so 2^53 lasts. */
export type Lsn = Brand<number, "Lsn">;
/** Version of the manifest's membership: changes when segments are replaced. */
export type Epoch = Brand<number, "Epoch">;
/** The id a client gave its transaction: `<stream in base 36>-<nanoid>`. */
export type TransactionId = Brand<string, "TransactionId">;
/** Name of a database node or segment server, unique in the cluster, for example `writer-1` or `segment-a1`. */
export type NodeName = Brand<string, "NodeName">;

export const pageId = (n: number): PageId => n as PageId;
export const pgId = (n: number): PgId => n as PgId;
export const streamId = (n: number): StreamId => n as StreamId;
export const lsn = (n: number): Lsn => n as Lsn;
export const epoch = (n: number): Epoch => n as Epoch;
export const transactionId = (s: string): TransactionId => s as TransactionId;
export const nodeName = (s: string): NodeName => s as NodeName;

/** The position before every entry. */
export const ZERO_LSN = lsn(0);
/** The LSN after `at`. */
export const nextLsn = (at: Lsn): Lsn => lsn(at + 1);
export const maxLsn = (a: Lsn, b: Lsn): Lsn => (a > b ? a : b);
export const minLsn = (a: Lsn, b: Lsn): Lsn => (a < b ? a : b);

/**
 * A transaction's id: `<stream>.<after>-<random>`, the numbers in base 36. `stream` is the one that it is first sent to, `after` an
 * LSN of it that was reached before: whatever becomes of the transaction stands behind it.
 */
export function makeTransactionId(stream: number, after: number, random: string): TransactionId {
  return transactionId(`${stream.toString(36)}.${after.toString(36)}-${random}`);
}

/** The stream that a transaction was first sent to, read from its id; undefined if the id is malformed. */
export function streamOfTransaction(id: TransactionId): StreamId | undefined {
  const n = numberIn(id, 0, endOfStream(id));
  return n !== undefined && n > 0 ? streamId(n) : undefined;
}

/** The LSN after which its entries come; 0 if the id does not tell. */
export function afterOfTransaction(id: TransactionId): Lsn {
  const dot = endOfStream(id);
  return id[dot] === "." ? lsn(numberIn(id, dot + 1, id.indexOf("-")) ?? 0) : ZERO_LSN;
}

function endOfStream(id: string): number {
  const dash = id.indexOf("-");
  const dot = id.indexOf(".");
  return dot >= 0 && dot < dash ? dot : dash;
}

function numberIn(id: string, from: number, to: number): number | undefined {
  if (to <= from) return undefined;
  const digits = id.slice(from, to);
  const n = Number.parseInt(digits, 36);
  return Number.isSafeInteger(n) && n.toString(36) === digits ? n : undefined;
}
