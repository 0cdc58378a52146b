/** The plan of a seed on the simulator's cluster. */
import { type Choices, drawPlan, type Plan } from "./plan.ts";
import { targetsOf } from "./simulate.ts";

export function makePlan(seed: number, choices: Choices = {}): Plan {
  return drawPlan(seed, choices, (writers, replicas) => targetsOf(writers, replicas, seed));
}
