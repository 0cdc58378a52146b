export * from "./delay.ts";
export { Device } from "./device.ts";
export type { DiskImage } from "./sim-disk.ts";
export type { FabricLink, FabricOptions, SimFabric } from "./sim-fabric.ts";
export type { NodeOptions, SimNode } from "./sim-node.ts";
export type { PageStoreImage } from "./sim-page-store.ts";
export type { Incarnation, Machine, WorldEvent } from "./timeline.ts";
export { World, type WorldOptions } from "./world.ts";
