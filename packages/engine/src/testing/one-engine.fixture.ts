/** An engine on a storage of its own, and the requests that tests make of it. */
import { expect } from "vitest";
import { transactionId, type SixfoldError } from "@sixfold/model";
import type { EngineResult, TxHandle } from "../engine-api.ts";
import { StorageWorld } from "./storage-world.ts";

export const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);
export const text = (b: Uint8Array | undefined): string | undefined =>
  b === undefined ? undefined : new TextDecoder().decode(b);

let ids = 0;
export const handle = (options: Partial<TxHandle> = {}): TxHandle => ({
  id: transactionId(`1-${++ids}`),
  isolation: "snapshot",
  consistency: "session",
  began: false,
  ...options,
});

export function worldWithTable(
  options: Partial<ConstructorParameters<typeof StorageWorld>[0]> = {},
): StorageWorld {
  const world = new StorageWorld({ seed: 1, ...options });
  expect(world.run(0, (e, r, now) => e.createTable(r, transactionId("1-t"), "t", now)).kind).toBe(
    "committed",
  );
  world.settle();
  return world;
}

export const put = (
  world: StorageWorld,
  i: number,
  key: string,
  value: string | undefined,
  tx = handle(),
): EngineResult =>
  world.run(i, (e, r, now) =>
    e.commit(
      r,
      {
        tx,
        writes: [{ table: "t", key: bytes(key), value: value === undefined ? undefined : bytes(value) }],
      },
      now,
    ),
  );

export function get(
  world: StorageWorld,
  i: number,
  key: string,
  tx?: TxHandle,
  forUpdate = false,
): string | undefined {
  const result = world.run(i, (e, r, now) =>
    e.get(r, { tx, table: "t", keys: [bytes(key)], forUpdate }, now),
  );
  if (result.kind === "failed") throw result.error;
  return result.kind === "values" ? text(result.values[0]) : expect.fail(result.kind);
}

export const errorOf = (result: EngineResult): SixfoldError =>
  result.kind === "failed" ? result.error : expect.fail(result.kind);
