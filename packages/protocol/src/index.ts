export { Monitor, showViolation, type MonitorOptions, type Violation } from "./monitor.ts";
export { showStep } from "./show-step.ts";
