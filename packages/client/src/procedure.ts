/** Procedures as both sides see them: written once, run at the writer, called by name with their types. */
import type { Key } from "@sixfold/wire";
import type { ScanOptions } from "./scan-options.ts";

/** The transaction inside a procedure: synchronous, on the newest state of the writer. */
export interface ProcedureTx {
  get<T = unknown>(table: string, key: Key): T | undefined;
  put(table: string, key: Key, value: unknown): void;
  delete(table: string, key: Key): void;
  scan<T = unknown>(table: string, options?: ScanOptions): [key: Key, value: T][];
  abort(reason: string): never;
}

/** What `connect` assumes of procedures when told nothing: any name, any arguments, any result. */
export type AnyProcedures = Record<string, (tx: never, ...args: unknown[]) => unknown>;

export type ArgumentsOf<F> = F extends (tx: never, ...args: infer A) => unknown ? A : never;
export type ResultOf<F> = F extends (...args: never[]) => infer R ? R : never;

/** Marks a function as a procedure and types its transaction. It may run more than once for one commit: no state of its own. */
export function procedure<A extends unknown[], R>(
  run: (tx: ProcedureTx, ...args: A) => R,
): (tx: ProcedureTx, ...args: A) => R {
  return run;
}
