/**
 * Makes a failing run smaller: leaves out one fault, then one workload after the other, for as long as it still fails.
 * One pass over each is enough in practice; a run with fewer parts is what a person wants to read.
 */
import type { WorkloadName } from "@sixfold/workload";
import type { Choices, Plan } from "./plan.ts";

export interface Shrunk {
  readonly choices: Choices;
  readonly runs: number;
}

/** `fails` runs the seed with other choices; `plan` is that of the failing run with `choices`. */
export async function shrink(
  choices: Choices,
  plan: (choices: Choices) => Plan,
  fails: (choices: Choices) => Promise<boolean>,
): Promise<Shrunk> {
  let best = choices;
  let runs = 0;
  const attempt = async (smaller: Choices): Promise<boolean> => {
    runs++;
    if (!(await fails(smaller))) return false;
    best = smaller;
    return true;
  };
  for (const { index } of plan(choices).faults) {
    const keep = plan(best).faults.map((fault) => fault.index);
    await attempt({ ...best, keep: keep.filter((kept) => kept !== index) });
  }
  const names = plan(best).loads.map((load) => load.workload);
  if (names.length > 1)
    for (const name of names)
      if (await attempt({ ...best, workloads: [name] satisfies WorkloadName[] })) break;
  return { choices: best, runs };
}
