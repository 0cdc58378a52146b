/** The check of a stopped cluster's directories (`sixfold check`); what is checked is in `check-stored`. */
import { SixfoldError } from "@sixfold/model";
import { NodeClock, StoredHost, storedHosts } from "@sixfold/node-ports";
import { holderOf } from "../process-lock.ts";
import { checkStored } from "./check-stored.ts";
import type { DataReport } from "./data-report.ts";
import { LOG_DISK } from "./stored-server.ts";

export interface CheckOptions {
  /** Of a stopped cluster. */
  readonly dataDir: string;
  /** What is going on, in words. */
  readonly progress?: (text: string) => void;
  /** Ends the check early, with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Rejects if a cluster runs on the directory or none ever did; whatever is wrong with the data is in the report. */
export async function checkData(options: CheckOptions): Promise<DataReport> {
  const holder = holderOf(options.dataDir);
  if (holder !== undefined)
    throw new SixfoldError(
      "bad-request",
      `a cluster runs on ${options.dataDir} (process ${holder}); its data can be checked once it is stopped`,
    );
  const names = await storedHosts(options.dataDir, LOG_DISK);
  if (names.length === 0)
    throw new SixfoldError("bad-request", `there is no data of a cluster in ${options.dataDir}`);
  const clock = new NodeClock();
  const { progress, signal } = options;
  return checkStored({
    data: new Map(names.map((name) => [name, new StoredHost(`${options.dataDir}/${name}`)])),
    progress,
    breathe: async () => {
      await new Promise<void>((resolve) => clock.soon(resolve));
      signal?.throwIfAborted();
    },
  });
}
