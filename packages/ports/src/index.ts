export * from "./clock.ts";
export * from "./disk.ts";
export * from "./host.ts";
export * from "./log-codec.ts";
export * from "./log-reader.ts";
export * from "./log-writer.ts";
export * from "./network.ts";
export * from "./page-store.ts";
