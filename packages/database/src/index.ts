export { DatabaseNode } from "./database-node.ts";
export type { HandoverAnswer } from "./handover.ts";
export type * from "./node-api.ts";
export { DEFAULT_SETTINGS as DEFAULT_NODE_SETTINGS } from "./node-api.ts";
export type { Procedure, ProcedureTx, ScanOptions } from "./procedures.ts";
