export * from "./clock.ts";
export * from "./disk.ts";
export * from "./host.ts";
export * from "./network.ts";
export * from "./page-store.ts";
