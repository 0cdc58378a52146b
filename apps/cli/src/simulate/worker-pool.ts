/**
 * Threads that simulate, one run each at a time. A run that does not come back within its time is taken for hung: its
 * thread is ended, and that is its result.
 */
import { Worker } from "node:worker_threads";
import type { Choices, RunResult } from "@sixfold/simulation";
import type { Simulator } from "../platform.ts";
import type { Order, Report } from "./worker.ts";

/** Real time. A run takes a second or two; on a busy machine, ten. */
const HUNG_AFTER_MS = 180_000;

const WORKER = new URL("./worker.js", import.meta.url);

export class WorkerPool implements Simulator {
  private readonly idle: Worker[] = [];
  private readonly all = new Set<Worker>();

  /** `line`: what happens, as it happens. */
  async run(seed: number, choices: Choices, line?: (line: string) => void): Promise<RunResult> {
    const worker = this.idle.pop() ?? this.start();
    const order: Order = { seed, choices, verbose: line !== undefined };
    const result = await answer(worker, order, line);
    if (result === "hung") {
      this.all.delete(worker);
      await worker.terminate();
      return hung(seed);
    }
    this.idle.push(worker);
    return result;
  }

  async close(): Promise<void> {
    await Promise.all([...this.all].map((worker) => worker.terminate()));
  }

  private start(): Worker {
    const worker = new Worker(WORKER);
    this.all.add(worker);
    return worker;
  }
}

function answer(
  worker: Worker,
  order: Order,
  line: ((line: string) => void) | undefined,
): Promise<RunResult | "hung"> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(() => resolve("hung")), HUNG_AFTER_MS);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      worker.off("message", take);
      worker.off("error", fail);
      settle();
    };
    const take = (report: Report): void => {
      if (report.kind === "line") line?.(report.line);
      else end(() => resolve(report.result));
    };
    const fail = (error: unknown): void =>
      end(() => reject(error instanceof Error ? error : new Error(String(error))));
    worker.on("message", take);
    worker.on("error", fail);
    worker.postMessage(order);
  });
}

function hung(seed: number): RunResult {
  return {
    seed,
    hash: "none",
    violations: [{ kind: "liveness", text: `no end after ${HUNG_AFTER_MS / 1000} s of computing` }],
    virtualMs: 0,
    events: 0,
    counts: { committed: 0, aborted: 0, unknown: 0 },
    histories: [],
  };
}
