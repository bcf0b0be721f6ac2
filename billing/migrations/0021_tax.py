"""
Tax on what is invoiced by the month through the card processor, and where its customers are; what its meter may not have
counted.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0020_carbon'),
    ]

    operations = [
        migrations.AddField(
            model_name='cardinvoice',
            name='tax_cents',
            field=models.BigIntegerField(default=0, help_text='As the processor worked it out.'),
        ),
        migrations.AddField(
            model_name='cardinvoice',
            name='tax_note',
            field=models.CharField(blank=True, help_text='Such as that the buyer owes the tax.', max_length=300),
        ),
        migrations.AddField(
            model_name='gatewaycall',
            name='method',
            field=models.CharField(default='post', help_text='post or delete.', max_length=6),
        ),
        migrations.AddField(
            model_name='meteredsubscription',
            name='taxed',
            field=models.BooleanField(default=False, help_text='The processor works out tax on its invoices.'),
        ),
        migrations.AddField(
            model_name='taxprofile',
            name='address_state',
            field=models.CharField(choices=[('untold', 'not checked'), ('located', 'found'), ('unlocated', 'not found')], default='untold', help_text='Whether Stripe Tax, where enabled, finds the address; without, months by card carry no tax.', max_length=10),
        ),
        migrations.AddField(
            model_name='export',
            name='doubted_at',
            field=models.DateTimeField(blank=True, help_text='The meter reported that it may not count it.', null=True),
        ),
        migrations.AddIndex(
            model_name='export',
            index=models.Index(condition=models.Q(('doubted_at__isnull', False)), fields=['doubted_at'], name='export_doubted'),
        ),
        migrations.AlterField(
            model_name='gatewaycall',
            name='kind',
            field=models.CharField(choices=[('customer', 'make the customer known'), ('checkout', 'open a page to pay at'), ('refund', 'send money back to a card'), ('card_page', 'open a page to save a card at'), ('card_release', 'let a saved card go'), ('charge', 'charge a saved card'), ('confirm', "lead a card's owner to the bank"), ('call_off', 'call off a charge'), ('tax_id', 'have a tax id checked'), ('tax_id_off', 'take a tax id off a customer'), ('address', 'tell where a customer is'), ('billed_card', 'charge months to a card'), ('meter', 'make the meter'), ('metered_price', 'make the price of what is metered'), ('subscription', 'bill by the month'), ('subscription_tax', 'work out tax on months, or not'), ('subscription_end', 'end or go on billing by the month'), ('meter_event', 'count what was charged'), ('invoice_item', 'put on the next invoice')], max_length=24),
        ),
        migrations.AlterField(
            model_name='posting',
            name='kind',
            field=models.CharField(choices=[('top_up', 'top-up'), ('usage', 'usage'), ('usage_correction', 'usage correction'), ('refund', 'refund to card'), ('refund_failed', 'refund that failed'), ('credit', 'promotional credit'), ('credit_lapsed', 'promotional credit that ended'), ('early_return', 'fee for handing back early'), ('cancellation', 'cancellation fee'), ('resale_credit', 'credit for resold time'), ('processor_fee', 'fee of the card processor'), ('rounding', 'rounding of an invoice to cents'), ('tax', 'tax of an invoice'), ('transfer', 'bank transfer'), ('credit_note', 'credit note'), ('write_off', 'write-off'), ('card_invoice', 'monthly invoice paid by card'), ('card_tax', 'tax of a monthly invoice by card'), ('adjustment', 'adjustment'), ('dispute', 'disputed payment taken back'), ('dispute_returned', 'disputed payment returned'), ('promise_credit', 'credit for a promise not kept')], max_length=20),
        ),
        migrations.AlterField(
            model_name='taxprofile',
            name='reference',
            field=models.CharField(blank=True, help_text="The processor's tax id, while it has it.", max_length=255),
        ),
        migrations.AddConstraint(
            model_name='taxprofile',
            constraint=models.CheckConstraint(condition=models.Q(('address_state__in', ['untold', 'located', 'unlocated'])), name='tax_profile_address_known'),
        ),
    ]
