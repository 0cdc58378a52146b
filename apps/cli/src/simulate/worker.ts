/** Runs simulations in a thread of its own, one after the other: a run is one long computation. */
import { parentPort } from "node:worker_threads";
import { type Choices, makePlan, type RunResult, simulate } from "@sixfold/simulation";

export interface Order {
  readonly seed: number;
  readonly choices: Choices;
  /** Send what happens, line by line. */
  readonly verbose: boolean;
}

export type Report =
  { readonly kind: "line"; readonly line: string } | { readonly kind: "result"; readonly result: RunResult };

const port = parentPort;
if (port === null) throw new Error("this module is a worker");
const report = (message: Report): void => port.postMessage(message);

port.on("message", ({ seed, choices, verbose }: Order) => {
  const line = verbose ? (text: string) => report({ kind: "line", line: text }) : undefined;
  simulate(makePlan(seed, choices), { line }).then(
    (result) => report({ kind: "result", result }),
    (error: unknown) => {
      throw error;
    },
  );
});
