/** Whole clusters in a seeded world, under faults, and what must hold of them. */
export { type Choices, commandOf, describePlan, drawPlan, type Plan } from "./plan.ts";
export { CORPUS, type OnceFailed } from "./corpus.ts";
export { makePlan } from "./make-plan.ts";
export { shrink, type Shrunk } from "./shrink.ts";
export { type RunResult, simulate, type Violation, type ViolationKind, type Watch } from "./simulate.ts";
export {
  type ClusterShape,
  CLIENTS,
  SimulatedCluster,
  type SimulatedDatabase,
  simulatedTopology,
} from "./simulated-cluster.ts";
