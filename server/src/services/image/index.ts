// The door of image.
export { type BootImage, getBootImage, openImage } from './boot.ts'
export { changeProperties, type ImageFilter, listImages } from './listing.ts'
export { getVisibleImage, type Image, type ImageStatus } from './images/model.ts'
export { deleteImage } from './images/upload.ts'
export { imageService } from './service.ts'
export { sweepImages } from './images/sweep.ts'
