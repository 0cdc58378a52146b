/** What can be asked of the simulator, without loading it. */
export { FAULT_KINDS, FAULT_NAMES } from "./fault-catalogue.ts";
export { DISTANCES, SIMULATED_WORKLOADS } from "./plan.ts";
