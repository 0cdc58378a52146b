/** What can be asked of the simulator, without loading it. */
export { FAULT_KINDS, FAULT_NAMES } from "./fault-catalogue.ts";
export { DISTANCES } from "./distance.ts";
export { SIMULATED_WORKLOADS } from "./plan.ts";
