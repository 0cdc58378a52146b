export type * from "./client-messages.ts";
export type * from "./log-records.ts";
export type * from "./storage-messages.ts";
