"use strict";

const element = document.getElementById("documentation");

// The bundle has an address of its maker's for a logo, and no option without; an image that can't be
// loaded is left out.
const NO_IMAGE = "data:,";

function ownAddress(address) {
  const url = new URL(address, document.baseURI);
  return url.protocol === "data:" || url.origin === location.origin ? address : NO_IMAGE;
}

const image = HTMLImageElement.prototype;
const setAttribute = image.setAttribute;
image.setAttribute = function (name, value) {
  setAttribute.call(this, name, name === "src" ? ownAddress(value) : value);
};
const source = Object.getOwnPropertyDescriptor(image, "src");
Object.defineProperty(image, "src", {
  ...source,
  set(address) {
    source.set.call(this, ownAddress(address));
  },
});

Redoc.init(element.dataset.schema, {}, element);
