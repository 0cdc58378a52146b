export { CONDITIONS, judge } from "./conditions.ts";
export type { Condition, Step } from "./condition.ts";
export type { Claim, EntryFacts, Facts } from "./facts.ts";
export type { FactLimits } from "./fact-store.ts";
export { Monitor, showViolation, type MonitorOptions, type Violation } from "./monitor.ts";
export { showStep } from "./show-step.ts";
