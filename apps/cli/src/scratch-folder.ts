/**
 * A folder for as long as a command measures: gone when that ends, well or not, and when the process does, be it in the middle of it.
 * Only a process that is killed leaves it behind.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { Platform } from "./platform.ts";

/** Processes that write there may not have heard yet that this one ends: what they put there meanwhile goes with the next try. */
const LAST_TRIES = { maxRetries: 20, retryDelay: 25 };

/** `prefix`: of its path; what is above it exists. */
export async function withScratchFolder<T>(
  platform: Pick<Platform, "atExit">,
  prefix: string,
  run: (dir: string) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(prefix);
  const forget = platform.atExit(() => rmSync(dir, { recursive: true, force: true, ...LAST_TRIES }));
  try {
    return await run(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
    forget();
  }
}
