/**
 * The transactions of `append` and `register`: a list of operations on rows, run in either style, and what each of them did
 * or saw in the checker's words.
 *
 * A list is a row that holds an array. Appending reads and writes it, so it is safe under every isolation (I9); the read is not
 * part of the history. A register is a row that holds a number, and may be written blindly.
 */
import type { RowKey, RowWriter } from "./database-face.ts";
import type { HistoryOperation } from "./history.ts";
import { nameOf } from "./row-keys.ts";
import { get, scan, type Steps } from "./transaction-steps.ts";

export interface RowWrite {
  readonly kind: "append" | "write";
  readonly key: RowKey;
  readonly value: number;
  /** Read for update, if it is read. */
  readonly lock: boolean;
}

export interface RowRead {
  readonly kind: "list" | "read";
  readonly key: RowKey;
}

/** Reads the keys `prefix` + 0 … rows-1 by one scan; absent ones count as read. */
export interface RangeRead {
  readonly kind: "lists" | "reads";
  readonly prefix: RowKey;
  readonly rows: number;
}

export type RowOperation = RowWrite | RowRead | RangeRead;

/** Runs `operations` in order and adds each to `done` once it has happened, so that an attempt that fails is known as far as it came. */
export function* operate(
  tx: RowWriter,
  table: string,
  operations: readonly RowOperation[],
  done: HistoryOperation[],
): Steps<HistoryOperation[]> {
  for (const operation of operations) {
    switch (operation.kind) {
      case "append": {
        const { key, value } = operation;
        const before = (yield* get<number[]>(table, key, operation.lock)) ?? [];
        tx.put(table, key, [...before, value]);
        done.push({ kind: "append", key: nameOf(key), value });
        break;
      }
      case "write":
        tx.put(table, operation.key, operation.value);
        done.push({ kind: "write", key: nameOf(operation.key), value: operation.value });
        break;
      case "list":
      case "read":
        done.push(observed(operation.kind, operation.key, yield* get(table, operation.key)));
        break;
      case "lists":
      case "reads":
        yield* readRange(table, operation, done);
        break;
    }
  }
  return done;
}

/** What is known of a transaction that shall do `operations` before anything of it is: its writes. */
export function plannedWrites(operations: readonly RowOperation[]): HistoryOperation[] {
  const writes: HistoryOperation[] = [];
  for (const operation of operations)
    if (operation.kind === "append" || operation.kind === "write")
      writes.push({ kind: operation.kind, key: nameOf(operation.key), value: operation.value });
  return writes;
}

function* readRange(table: string, operation: RangeRead, done: HistoryOperation[]): Steps<void> {
  const { prefix, rows } = operation;
  const found = new Map<string, unknown>();
  for (const [key, value] of yield* scan(table, { gte: [...prefix, 0], lt: [...prefix, rows] }))
    found.set(nameOf(key), value);
  for (let row = 0; row < rows; row++) {
    const key = [...prefix, row];
    done.push(observed(operation.kind === "lists" ? "list" : "read", key, found.get(nameOf(key))));
  }
}

function observed(kind: "list" | "read", key: RowKey, value: unknown): HistoryOperation {
  return kind === "list"
    ? { kind, key: nameOf(key), values: (value ?? []) as number[] }
    : { kind, key: nameOf(key), value: value as number | undefined };
}
