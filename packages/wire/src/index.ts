export type * from "./client-messages.ts";
export type * from "./log-records.ts";
export type * from "./storage-messages.ts";
export { decodeSlice, encodeSlice } from "./slice-codec.ts";
export { WireError, type WireErrorCode } from "./wire-error.ts";
export * from "./log-block.ts";
