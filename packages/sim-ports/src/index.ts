export * from "./delay.ts";
export { Device } from "./device.ts";
export type { DiskImage } from "./sim-disk.ts";
export type { FabricOptions, SimFabric } from "./sim-fabric.ts";
export type { Incarnation, NodeOptions, SimNode } from "./sim-node.ts";
export type { PageStoreImage } from "./sim-page-store.ts";
export { World, type WorldOptions } from "./world.ts";
