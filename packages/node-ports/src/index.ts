export * from "./file-disk.ts";
export { FilePageStore } from "./pages/file-page-store.ts";
export { boundHeapGrowth } from "./heap.ts";
export * from "./node-clock.ts";
export { diskDirectory, NodeHost } from "./node-host.ts";
export { StoredHost, storedHosts, type DiskUse, type StoredPages } from "./stored-host.ts";
export * from "./web-socket-network.ts";
