/**
 * Procedures: functions that run whole at the writer, in one message (INTERFACES, SDK).
 *
 * The engine works on bytes; here keys and values get their user form. A procedure is
 * synchronous and pure but for its context: it runs again when a page has to be fetched
 * or a page race was lost.
 */
import type { ProcedureContext } from "@sixfold/engine";
import { SixfoldError } from "@sixfold/model";
import { decodeKey, decodeValue, encodeKey, encodeValue, type Key } from "@sixfold/wire";

export interface ScanOptions {
  readonly gte?: Key;
  readonly gt?: Key;
  readonly lt?: Key;
  readonly lte?: Key;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** What a procedure is handed as its first argument. */
export interface ProcedureTx {
  get<T>(table: string, key: Key): T | undefined;
  put(table: string, key: Key, value: unknown): void;
  delete(table: string, key: Key): void;
  scan<T>(table: string, options?: ScanOptions): [key: Key, value: T][];
  /** Ends the transaction without effect; the caller gets `aborted-by-caller`. */
  abort(reason: string): never;
}

export type Procedure = (tx: ProcedureTx, ...args: never[]) => unknown;

/** Binds a procedure to its encoded arguments: what the engine runs. Its result is encoded for the way back. */
export function bindProcedure(
  procedure: Procedure,
  args: Uint8Array,
): (context: ProcedureContext) => Uint8Array {
  const decoded = decodeValue(args);
  if (!Array.isArray(decoded)) throw new SixfoldError("bad-request", "a procedure's arguments are a list");
  return (context) => encodeResult(procedure(new BoundTx(context), ...(decoded as never[])));
}

function encodeResult(result: unknown): Uint8Array {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === "function")
    throw new SixfoldError("procedure-failed", "a procedure is synchronous: it returned a promise");
  return encodeValue(result === undefined ? null : result);
}

class BoundTx implements ProcedureTx {
  private readonly context: ProcedureContext;

  constructor(context: ProcedureContext) {
    this.context = context;
  }

  get<T>(table: string, key: Key): T | undefined {
    const value = this.context.get(table, encodeKey(key));
    return value === undefined ? undefined : (decodeValue(value) as T);
  }

  put(table: string, key: Key, value: unknown): void {
    this.context.put(table, encodeKey(key), encodeValue(value));
  }

  delete(table: string, key: Key): void {
    this.context.delete(table, encodeKey(key));
  }

  scan<T>(table: string, options: ScanOptions = {}): [key: Key, value: T][] {
    const bound = (key: Key | undefined): Uint8Array | undefined =>
      key === undefined ? undefined : encodeKey(key);
    const range = {
      gte: bound(options.gte),
      gt: bound(options.gt),
      lt: bound(options.lt),
      lte: bound(options.lte),
      limit: options.limit,
      reverse: options.reverse,
    };
    return this.context.scan(table, range, (key, keyFrom, keyTo, value, from, to): [Key, T] => [
      decodeKey(key, keyFrom, keyTo),
      decodeValue(value, from, to) as T,
    ]);
  }

  abort(reason: string): never {
    throw new SixfoldError("aborted-by-caller", reason);
  }
}
