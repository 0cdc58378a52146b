/** What measurements have alike: clients in closed loops that must end, verdicts that must agree, figures that are read. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Verdict } from "@sixfold/workload";
import { CommandError } from "./usage.ts";

/** A few clients share a connection, as they would in a service; more connections than this gain nothing. */
export const CLIENTS_PER_CONNECTION = 16;

/** At most, and so many times what a point is measured. */
const FRESH_WARM_UP_SECONDS = 30;
const FRESH_WARM_UPS = 8;

/** How long fresh processes are warmed up: until what is hot has been compiled, one master commits half as much, several a third. */
export const freshWarmUpSeconds = (seconds: number): number =>
  Math.min(FRESH_WARM_UP_SECONDS, FRESH_WARM_UPS * seconds);

/** A transaction gives up after 10 s; whoever is not back by then is stuck. */
const END_WITHIN_MS = 20_000;

/** Resolves with the clients, which were told to end; fails if one of them does not. */
export async function ended(clients: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const late = sleep(END_WITHIN_MS, undefined, { signal: timer.signal }).then(() => {
    throw new CommandError(`a client did not end within ${END_WITHIN_MS / 1_000} s`);
  });
  try {
    await Promise.race([clients, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}

/** The check through one connection of each writer: they must agree. */
export async function verdictOfAll<Database>(
  pools: readonly (readonly Database[])[],
  check: (db: Database) => Promise<Verdict>,
): Promise<Verdict> {
  for (const [writer, pool] of pools.entries()) {
    const verdict = await check(pool[0]!);
    if (verdict !== "ok")
      return pools.length === 1
        ? verdict
        : `broken: at writer ${writer + 1}, ${verdict.slice("broken: ".length)}`;
  }
  return "ok";
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
