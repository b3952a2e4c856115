//! What dfdx lacks: operations on feature maps, layers, backbones, weights.
