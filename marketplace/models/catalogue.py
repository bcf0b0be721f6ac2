"""What a node is made of, as published by its makers."""

from django.db import models


class GPUModel(models.Model):
    """A GPU with its maker's figures. Throughput is dense (without sparsity)."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    vendor = models.CharField(max_length=20)
    memory_gb = models.PositiveIntegerField(help_text="Gigabytes of memory on one GPU.")
    memory_type = models.CharField(max_length=20)
    bandwidth_gbs = models.PositiveIntegerField(help_text="Memory bandwidth, gigabytes per second.")
    fp16_tflops = models.PositiveIntegerField(help_text="Dense FP16 tensor throughput, TFLOP/s.")
    fp8_tflops = models.PositiveIntegerField(null=True, blank=True, help_text="Dense FP8 tensor throughput, TFLOP/s.")
    tdp_w = models.PositiveIntegerField(help_text="Thermal design power, watts.")
    interconnect = models.CharField(max_length=60)
    source = models.CharField(max_length=200)

    class Meta:
        ordering = ["slug"]
        verbose_name = "GPU model"

    def __str__(self) -> str:
        return self.name


class NodeType(models.Model):
    """A whole machine as it is sold: never a slice of one."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    gpu_model = models.ForeignKey(GPUModel, null=True, blank=True, on_delete=models.PROTECT, related_name="node_types")
    gpu_count = models.PositiveSmallIntegerField()
    cpu = models.CharField(max_length=80)
    vcpus = models.PositiveSmallIntegerField()
    memory_gb = models.PositiveIntegerField()
    nvme_gb = models.PositiveIntegerField()
    network_gbps = models.PositiveIntegerField()
    power_w = models.PositiveIntegerField(help_text="Draw of the whole node under load, watts.")

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(gpu_model=None, gpu_count=0)
                | models.Q(gpu_model__isnull=False, gpu_count__gte=1, gpu_count__lte=8),
                name="node_type_has_one_to_eight_gpus_or_none",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def gpu_memory_gb(self) -> int:
        """Memory of all GPUs together, gigabytes."""
        return self.gpu_count * self.gpu_model.memory_gb if self.gpu_model else 0


class Image(models.Model):
    """A system image that a tenant may start with. It contains an SSH server."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    reference = models.CharField(max_length=200, help_text="What podman pulls or has imported.")
    digest = models.CharField(max_length=80, blank=True)
    size_mb = models.PositiveIntegerField()
    contents = models.CharField(max_length=300, help_text="What is inside, in the customer's words.")

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name
