export * from "./file-disk.ts";
export * from "./lmdb-page-store.ts";
export * from "./node-clock.ts";
export * from "./node-host.ts";
export * from "./web-socket-network.ts";
